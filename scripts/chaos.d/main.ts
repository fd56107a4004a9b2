import { parseArgs } from 'node:util'

import { deploysInARow } from './deploys.ts'
import { faults } from './faults.ts'
import { meetFullDisks } from './full.ts'
import { moments } from './moments.ts'
import { isFine, reboots } from './reboot.ts'
import { chaos } from './run.ts'

const usage = `scripts/chaos [--kills N] [--minutes N] [--seed N] [--apps N] [--within N] [--faults a,b,c]
  Breaks things under a Davit of its own while clients ask and pushes go on; ends with what was lost, and why.
  Exits with 1 when something was lost that no fault explains, was answered by another app or another version, or was
  not back in time. Ctrl-C ends it early.

  --kills N      so many faults, 30 unless told
  --minutes N    at most so long, 10 unless told
  --seed N       the same faults again
  --apps N       so many apps, and some more that come and go; 1 unless told, and none come and go
  --within N     everything has to be back so many seconds after a fault is over, 10 unless told
  --faults LIST  which ones; those marked * need root and are left out unless named

scripts/chaos deploys [--deploys N]
  Deploys in a row, 100 unless told, while clients ask: over kept connections and new ones, with uploads of 2 MB, and
  over a WebSocket that comes again at once when told. Exits with 1 when one request failed, was cut short or was wrong.

scripts/chaos reboot [--apps N]
  The host goes down without warning and comes up, once with the engine first and once with Davit first: N apps, 20 unless
  told, have to serve within 60 seconds what they served before, without a deploy. On an engine of its own. Needs root.

scripts/chaos full-disk [MOMENT…]
  Fills a disk at each moment, or at all: the command has to say so, the old version to serve on, nothing to be
  damaged, and the same command to work once there is room. Needs root.
`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      kills: { type: 'string', default: '30' },
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      apps: { type: 'string' },
      deploys: { type: 'string', default: '100' },
      within: { type: 'string', default: '10' },
      faults: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  })
  if (values.help) {
    process.stdout.write(`${usage}\n${listOf('Faults', faults)}\n${listOf('Moments', moments)}`)
    return 0
  }
  const end = new AbortController()
  // A second one, too, lets everything be taken away in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end.abort())
  const telling = { say: (line: string) => process.stdout.write(`${line}\n`), signal: end.signal }
  const [kind, ...names] = positionals
  if (kind === 'full-disk') {
    const fine = await meetFullDisks(named(moments, names.length > 0 ? names : undefined), telling)
    return codeOf(fine, end.signal)
  }
  if (kind === 'deploys') {
    const deploys = whole('deploys', values.deploys)
    const report = await deploysInARow({ deploys, uploadBytes: () => 2 * 2 ** 20, ...telling })
    process.stdout.write(`${report.lines.join('\n')}\n`)
    return codeOf(report.fine, end.signal)
  }
  if (kind === 'reboot') {
    const apps = whole('apps', values.apps ?? '20')
    const done = await reboots({ apps, withinMs: 60_000, ...telling })
    for (const line of done.flatMap(each => each.wrong)) process.stdout.write(` !     ${line}\n`)
    return codeOf(isFine(done), end.signal)
  }
  if (kind !== undefined) throw new Error(`${kind} is nothing to try. See: scripts/chaos --help`)
  const report = await chaos({
    kills: whole('kills', values.kills),
    minutes: whole('minutes', values.minutes),
    seed: whole('seed', values.seed),
    apps: whole('apps', values.apps ?? '1'),
    withinMs: whole('within', values.within) * 1000,
    faults: values.faults ? named(faults, values.faults.split(',')) : faults.filter(each => !each.needs),
    ...telling,
  })
  process.stdout.write(`${report.lines.join('\n')}\n`)
  return codeOf(report.fine, end.signal)
}

interface Named {
  readonly name: string
  readonly about: string
  readonly needs?: string
}

function named<T extends Named>(all: readonly T[], names: readonly string[] | undefined): readonly T[] {
  const unknown = names?.find(name => !all.some(each => each.name === name))
  if (unknown !== undefined) throw new Error(`${unknown} is not known. See: scripts/chaos --help`)
  return all.filter(each => names?.includes(each.name) ?? true)
}

function listOf(title: string, all: readonly Named[]): string {
  const lines = all.map(({ name, about, needs }) => `  ${name.padEnd(18)}${needs ? '*' : ' '} ${about}\n`)
  return `${title}:\n${lines.join('')}`
}

function codeOf(fine: boolean, signal: AbortSignal): number {
  if (signal.aborted) return 130
  return fine ? 0 : 1
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
