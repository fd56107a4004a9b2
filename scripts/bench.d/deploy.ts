import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { commands, largePushes, pushes, rollbacks } from './contests.ts'
import { memoryTable, takeMemory } from './memory.ts'
import { makeStage, type Stage } from './stage.ts'
import { type Outcome, outcomeTable, takeTurns } from './turns.ts'

const parts = ['push', 'command', 'rollback', 'large', 'memory']

/** The road from a push to a live app against the same work done plainly, in turns; then what Davit keeps in memory. */
async function bench(stage: Stage, { only, rounds }: Wanted): Promise<void> {
  const { box } = stage
  const first = await idleMemory(box.daemonPid, 5_000)
  const contests = [
    ...(only.has('push') ? [pushes(stage, rounds)] : []),
    ...(only.has('command') ? [commands(stage, rounds * 3)] : []),
    ...(only.has('rollback') ? [rollbacks(stage, rounds)] : []),
    ...(only.has('large') ? [await largePushes(stage, Math.ceil(rounds / 2))] : []),
  ]
  const outcomes: Outcome[] = []
  for (const contest of contests) outcomes.push(await takeTurns(contest))
  if (outcomes.length > 0) console.log(`${conditions()}\n\n${outcomeTable(outcomes)}`)
  if (!only.has('memory')) return
  const last = await idleMemory(box.daemonPid, 10_000)
  console.log(`\n${memoryTable({ 'at first': first, afterwards: last }, { target: 220 })}`)
}

/** What a reader of the table has to know. */
function conditions(): string {
  const [minute] = loadavg()
  return [
    `${availableParallelism()} cores, load ${minute!.toFixed(1)}. Medians (least – most); the ratio of the medians (of one round).`,
    'Every SSH connection is new, with curve25519-sha256 on both sides. Without Davit: OpenSSH, git and the engine as they come.',
  ].join('\n')
}

async function idleMemory(daemonPid: () => Promise<number>, quietMs: number) {
  await pause(quietMs)
  return takeMemory(await daemonPid())
}

interface Wanted {
  readonly only: ReadonlySet<string>
  readonly rounds: number
}

function wanted(): Wanted {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '12' }, only: { type: 'string', default: parts.join() } },
  })
  const only = new Set(values.only.split(','))
  const rounds = Number(values.rounds)
  const strange = [...only].find(each => !parts.includes(each))
  if (strange !== undefined) throw new Error(`${strange} is none of: ${parts.join(', ')}`)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a number from 1 on')
  return { only, rounds }
}

/** Whatever happens, and on Ctrl-C too, what was made is taken away in the opposite order. */
async function main(): Promise<number> {
  const { only, rounds } = wanted()
  const undo: (() => Promise<unknown>)[] = []
  const told = new Promise<number>(resolve => {
    process.on('SIGINT', () => resolve(130)).on('SIGTERM', () => resolve(143))
  })
  const work = async () => {
    await bench(await makeStage(undo), { only, rounds })
    return 0
  }
  try {
    return await Promise.race([work(), told])
  } finally {
    for (const each of undo.toReversed()) await each()
  }
}

process.exit(await main())
