import { lineSplitter } from './lines.ts'
import { type Failure, keptLines, reasonOf, visible } from './steps.ts'

// What the builder says of itself between the lines that commands print.
const own = /^(?: ---> |Removing intermediate container |Successfully (?:built|tagged) )/

/** The engine's older builder speaks text; the same lines as openSteps makes of BuildKit's trace. */
export function openClassicSteps(line: (text: string) => void) {
  const splitter = lineSplitter({ limit: 64 * 1024 })
  let step: { readonly number: string; readonly title: string } | undefined
  let output: string[] = []

  const take = (text: string) => {
    const [, number, title] = /^Step (\d+)\/\d+ : (.*)$/.exec(text) ?? []
    if (number && title !== undefined) {
      step = { number, title: visible(title) }
      output = []
      line(`#${number} ${step.title}`)
    } else if (/^ ---> Using cache/.test(text) && step) line(`#${step.number} CACHED`)
    else if (text !== '' && !own.test(text)) {
      output = [...output, visible(text)].slice(-keptLines)
      line(visible(text))
    }
  }
  return {
    push: (text: string) => splitter.push(Buffer.from(text)).forEach(take),
    failure(error: string): Failure | { readonly reason: string } {
      splitter.rest().forEach(take)
      const [, code] = /returned a non-zero code: (\d+)$/.exec(error) ?? []
      const reason = code ? `exit code ${code}` : reasonOf(error)
      line(step ? `#${step.number} ERROR ${reason}` : `ERROR ${reason}`)
      return step ? { step: step.title, reason, output } : { reason }
    },
  }
}
