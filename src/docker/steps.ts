import type { Labels } from './engine.ts'
import { lineSplitter } from './lines.ts'
import type { Trace, Vertex } from './trace.ts'

/** How much of a failing step's output is kept. */
export const keptLines = 20

export interface Failure {
  readonly step: string
  readonly reason: string
  readonly output: readonly string[]
}

interface Step {
  readonly title: string
  /** The engine's own housekeeping: shown only when it says something. */
  readonly quiet: boolean
  readonly splitter: ReturnType<typeof lineSplitter>
  readonly output: string[]
  number?: number
  told?: 'cached' | 'failed'
}

/** Turns BuildKit's trace into plain lines: each step once as it starts, then what it prints. */
export function openSteps(line: (text: string) => void, { buildArgs }: { buildArgs: Labels }) {
  const steps = new Map<string, Step>()
  let numbers = 0
  let speaking: Step | undefined
  let failed: Failure | undefined
  const named = namer(buildArgs)

  const announce = (step: Step, note = '') => {
    step.number ??= ++numbers
    speaking = step
    line(`#${step.number} ${step.title}${note}`)
  }
  const say = (step: Step, texts: readonly string[]) => {
    for (const text of texts.map(visible)) {
      if (speaking !== step) announce(step)
      line(text)
      step.output.push(text)
      if (step.output.length > keptLines) step.output.shift()
    }
  }
  const see = (vertex: Vertex) => {
    const step = steps.get(vertex.digest) ?? stepOf(vertex, named)
    steps.set(vertex.digest, step)
    if (vertex.cached && step.told === undefined && !step.quiet) {
      step.told = 'cached'
      announce(step, ' CACHED')
    } else if (vertex.started && step.number === undefined && !step.quiet) announce(step)
    if (vertex.completed) say(step, step.splitter.rest())
    if (vertex.error) fail(step, vertex.error)
  }
  const fail = (step: Step, error: string) => {
    // When one step fails the others are cancelled, which is nobody's fault.
    if (step.told === 'failed' || /context canceled/.test(error)) return
    step.told = 'failed'
    const reason = named(reasonOf(error))
    if (speaking !== step) announce(step)
    line(`#${step.number} ERROR ${reason}`)
    failed ??= { step: step.title, reason, output: step.output }
  }
  return {
    trace({ vertexes, logs }: Trace) {
      for (const vertex of vertexes.filter(({ error }) => !error)) see(vertex)
      for (const { vertex, msg } of logs) {
        const step = steps.get(vertex)
        if (step) say(step, step.splitter.push(msg))
      }
      for (const vertex of vertexes.filter(({ error }) => error)) see(vertex)
    },
    failure: () => failed,
  }
}

// "[builder 2/4] RUN make" is the person's; "[internal] load .dockerignore" and "exporting to image" are not.
function stepOf({ name }: Vertex, named: (text: string) => string): Step {
  const [, inner] = /^\[(?!internal\])[^\]]*\] (.*)$/s.exec(name) ?? []
  const title = named(inner ?? name.replace(/^\[internal\] /, ''))
  return {
    title: shortened(visible(title.replace(/\s+/g, ' ').trim()), 160),
    quiet: inner === undefined,
    splitter: lineSplitter({ limit: 64 * 1024 }),
    output: [],
  }
}

// The end of a line that was drawn over again and again, as progress bars are, without what moves a terminal.
export function visible(text: string): string {
  return text
    .slice(text.lastIndexOf('\r') + 1)
    .replace(/\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g, '')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '')
}

// BuildKit puts the values of build arguments into the names of steps; a value may be a secret, its name is not.
function namer(buildArgs: Labels): (text: string) => string {
  const telling = Object.entries(buildArgs).filter(([, value]) => value.length >= 6)
  const longestFirst = telling.sort(([, a], [, b]) => b.length - a.length)
  return text =>
    longestFirst.reduce((result, [name, value]) => result.replaceAll(value, () => `$${name}`), text)
}

function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

/** The engine's wrapping taken off: what happened, without whose remote call it happened in. */
export function reasonOf(error: string): string {
  const [, exit] = /exit code: (\d+)\s*$/.exec(error) ?? []
  if (exit) return `exit code ${exit}`
  const bare = visible(error.replace(/\s*\n\s*/g, ' '))
    .replace(wrapping, '')
    // The engine's own temporary folder means nothing to anyone.
    .replace(/open \/\S*\/buildkit-mount\d+\//, '')
    .trim()
  return shortened(bare, 500)
}

const wrapping =
  /^(?:(?:failed to solve(?: with frontend \S+)?|rpc error: code = \w+ desc =|failed to create LLB definition|failed to compute cache key):? )+/
