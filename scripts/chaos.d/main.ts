import { parseArgs } from 'node:util'

import { faults } from './faults.ts'
import { chaos } from './run.ts'

const usage = `scripts/chaos [--kills N] [--minutes N] [--seed N] [--faults a,b,c]
  Breaks things under a Davit of its own while clients ask and pushes go on; ends with what was lost, and why.
  Exits with 1 when something was lost that no fault explains, or did not come back. Ctrl-C ends it early.

  --kills N      so many faults, 30 unless told
  --minutes N    at most so long, 10 unless told
  --seed N       the same faults again
  --faults LIST  which ones; those marked * need root and are left out unless named
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '30' },
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      faults: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    const lines = faults.map(
      ({ name, about, needs }) => `    ${name.padEnd(18)}${needs ? '*' : ' '} ${about}\n`,
    )
    process.stdout.write(`${usage}\n${lines.join('')}`)
    return 0
  }
  const named = values.faults?.split(',')
  const unknown = named?.find(name => !faults.some(each => each.name === name))
  if (unknown !== undefined) throw new Error(`${unknown} is no fault. See: scripts/chaos --help`)

  const end = new AbortController()
  // A second one, too, lets everything be taken away in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end.abort())
  const report = await chaos({
    kills: whole('kills', values.kills),
    minutes: whole('minutes', values.minutes),
    seed: whole('seed', values.seed),
    faults: faults.filter(each => (named ? named.includes(each.name) : !each.needs)),
    say: line => process.stdout.write(`${line}\n`),
    signal: end.signal,
  })
  process.stdout.write(`${report.lines.join('\n')}\n`)
  if (end.signal.aborted) return 130
  return report.fine ? 0 : 1
}

function whole(name: string, text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new Error(`--${name} ${text} is not a whole number.`)
  return Number(text)
}

main().then(
  code => process.exit(code),
  (error: unknown) => {
    process.stderr.write(` !     ${error instanceof Error ? error.message : error}\n`)
    process.exit(1)
  },
)
