import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'

import { makeGround } from './proxy/ground.ts'
import type { Figures, Part, Stage } from './proxy/part.ts'
import { parts } from './proxy/parts.ts'
import { type Name, names, startPeers } from './proxy/peers.ts'
import { profileOf } from './proxy/profile.ts'
import { format, type Line, proxyTable } from './proxy/table.ts'

/** Davit's proxy, nginx, HAProxy and Caddy under the same loads, in turns. */
async function bench(stage: Stage, { chosen, rounds }: Wanted): Promise<void> {
  const taken: Taken[] = []
  for (const part of chosen) taken.push(await takeTurns(part, stage, rounds))
  console.log(`${conditions(stage, rounds)}\n\n${proxyTable(taken.flatMap(linesOf))}\n\n${errorsIn(taken)}`)
}

interface Taken {
  readonly part: Part
  readonly figures: Readonly<Partial<Record<Name, readonly Figures[]>>>
}

/** A B C D A B C D…, so that whatever else the machine does falls on all alike; the first round warms up and does not count. */
async function takeTurns(part: Part, stage: Stage, rounds: number): Promise<Taken> {
  const turns = await part.prepare(stage)
  const figures: Partial<Record<Name, Figures[]>> = {}
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const turn = turns[name]
      if (!turn) continue
      const seen = await turn()
      tell(part, { round, name, seen })
      if (round > 0) figures[name] = [...(figures[name] ?? []), seen]
    }
  }
  return { part, figures }
}

function tell(
  { name: part, rows }: Part,
  { round, name, seen }: { round: number; name: Name; seen: Figures },
) {
  const words = rows.map(({ of, figure, unit }) => `${figure} ${format(seen[of]!, unit)}`)
  const errors = seen.errors ? `, ${seen.errors} errors` : ''
  const when = round === 0 ? 'warm-up' : `round ${round}`
  process.stderr.write(`       ${part}, ${when}, ${name}: ${words.join(', ')}${errors}\n`)
}

function linesOf({ part, figures }: Taken): Line[] {
  return part.rows.map(({ of, figure, unit, targets }) => ({
    what: part.what,
    figure,
    unit,
    targets: targets ?? [],
    values: Object.fromEntries(
      Object.entries(figures).map(([name, each]) => [name, each.map(seen => seen[of]!)]),
    ),
  }))
}

/** What failed is no part of the figures, so it is told beside them. */
function errorsIn(taken: readonly Taken[]): string {
  const words = taken.flatMap(({ part, figures }) =>
    Object.entries(figures).flatMap(([name, each]) => {
      const errors = each.reduce((sum, seen) => sum + seen.errors!, 0)
      return errors > 0 ? [`${name}, ${part.what}: ${errors}`] : []
    }),
  )
  return words.length > 0 ? `Requests that failed:\n${words.join('\n')}` : 'No request failed.'
}

/** What a reader of the table has to know. */
function conditions({ ground, seconds }: Stage, rounds: number): string {
  const cores = availableParallelism()
  return [
    `${cores} cores, load ${loadavg()[0]!.toFixed(1)}; ${ground.workers} worker of each; medians of ${rounds} rounds of ${seconds} s, in turns. Ratios are Davit's figure over the other's.`,
    'CPU is user and system time of the proxying processes alone. Load generator and app compete with the proxy for the cores,',
    'so CPU a request is what can be compared from machine to machine; throughput and latency only within this run.',
  ].join('\n')
}

interface Wanted {
  readonly chosen: readonly Part[]
  readonly rounds: number
  readonly seconds: number
  readonly workers: number
  readonly profile: boolean
}

/** The words typed, or what is wrong with them. */
function wanted(): Wanted | Error {
  try {
    return readWords()
  } catch (error) {
    return error as Error
  }
}

function readWords(): Wanted {
  const all = parts.map(({ name }) => name)
  const { values } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      workers: { type: 'string', default: '1' },
      only: { type: 'string', default: all.join() },
      profile: { type: 'boolean', default: false },
    },
  })
  const only = values.only.split(',')
  const strange = only.find(each => !all.includes(each))
  if (strange !== undefined) throw new Error(`${strange} is none of: ${all.join(', ')}`)
  return {
    chosen: parts.filter(({ name }) => only.includes(name)),
    rounds: whole('rounds', values.rounds),
    seconds: whole('seconds', values.seconds),
    workers: whole('workers', values.workers),
    profile: values.profile,
  }
}

function whole(name: string, text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new Error(`--${name} is a number from 1 on`)
}

/** Whatever happens, and on Ctrl-C too, what was made is taken away in the opposite order. */
async function main(): Promise<number> {
  const words = wanted()
  if (words instanceof Error) {
    console.error(` !     ${words.message}`)
    return 2
  }
  const undo: (() => Promise<unknown>)[] = []
  const ending = new AbortController()
  const told = new Promise<number>(resolve => {
    process.on('SIGINT', () => resolve(130)).on('SIGTERM', () => resolve(143))
  })
  const work = async () => {
    const ground = await makeGround({ workers: words.workers, signal: ending.signal, undo })
    const fresh = (options: { routes: number }) => startPeers(ground, options)
    const stage = { ground, seconds: words.seconds, peers: await fresh({ routes: 0 }), fresh }
    if (words.profile) await profileOf(words.chosen, stage)
    else await bench(stage, words)
    return 0
  }
  try {
    return await Promise.race([work(), told])
  } finally {
    ending.abort()
    for (const each of undo.toReversed()) await each()
  }
}

process.exit(await main())
