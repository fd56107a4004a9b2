import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { pino } from 'pino'
import tar from 'tar-stream'

import type { Context, Plugin } from '../../src/plugin/define.ts'
import { createDriver, type Member } from '../../src/plugin/driver.ts'
import { readExecutable } from '../../src/plugin/executable.ts'
import { findFence } from '../../src/plugin/fence.ts'
import { openShift } from '../../src/plugin/shift.ts'
import { plainEnv } from '../../src/settings.ts'
import type { App, AppName, Call, Out } from '../../src/types.ts'
import { openSandbox, type Sandbox } from '../../test/e2e/sandbox.ts'
import { median, outcomeTable, takeTurns, timed } from './turns.ts'

const parts = ['calls', 'programs', 'list']
/** What is to be taken away on Ctrl-C. */
const told: (() => Promise<unknown>)[] = []
const app: App = { id: 1, name: 'shop' as AppName, createdAt: new Date(), retired: false }
const { signal } = new AbortController()

/** What a call of a hook costs by how many listen, what one costs whose handler is a program, and what plugins cost a command that has nothing to do with them. */
async function bench(only: ReadonlySet<string>, rounds: number): Promise<void> {
  console.log(`${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}. Medians (least – most).\n`)
  if (only.has('calls')) await calls(rounds)
  if (only.has('programs')) await programs(rounds)
  if (only.has('list')) await listing(rounds)
}

// In the process -----------------------------------------------------------------------------------------

const each = 500
/** So long at most, once there are three rounds of it. */
const rowMs = 15_000

async function calls(rounds: number): Promise<void> {
  const bare = (env: Readonly<Record<string, string>>) => ({ ...env, A: 'b' })
  const rows = [
    ['a bare function', async () => void bare({})] as const,
    ...[0, 1, 10, 50].map(many => [`shapeEnv, ${many} listen`, shaping(many, bare)] as const),
    ...[10, 50].map(
      many => [`shapeEnv, ${many} listen and wait`, shaping(many, async env => bare(env))] as const,
    ),
  ]
  console.log(`${'what'.padEnd(32)}${'a call'.padEnd(30)}its CPU`)
  for (const [what, work] of rows) {
    const times: number[] = []
    const cpus: number[] = []
    const until = performance.now() + rowMs
    for (let round = 0; round < rounds + 2; round++) {
      // On a machine that is busy with other things a few rounds have to do.
      if (performance.now() > until && times.length >= 3) break
      const before = process.cpuUsage()
      const ms = await timed(async () => {
        for (let at = 0; at < each; at++) await work()
      })
      const { user, system } = process.cpuUsage(before)
      if (round < 2) continue
      times.push((ms * 1000) / each)
      cpus.push((user + system) / each)
    }
    const short = times.length < rounds ? `  (${times.length} rounds)` : ''
    console.log(`${what.padEnd(32)}${spread(times).padEnd(30)}${spread(cpus)}${short}`)
  }
  console.log('')
}

function spread(times: readonly number[]): string {
  const [least, most] = [Math.min(...times), Math.max(...times)].map(each => each.toFixed(1))
  return `${median(times).toFixed(1)} µs (${least} – ${most})`
}

function shaping(
  many: number,
  handle: (env: Readonly<Record<string, string>>) => unknown,
): () => Promise<unknown> {
  const members = Array.from({ length: many }, (_, at) =>
    onDuty({ name: `p${at}`, about: '', api: 1, hooks: { shapeEnv: env => handle(env) as never } }),
  )
  const driver = createDriver(() => members)
  const event = { app, process: 'web' } as Parameters<typeof driver.shapeEnv>[1]
  return () => driver.shapeEnv({}, event, call)
}

function onDuty(plugin: Plugin, dir = ''): Member {
  const context = { core: {}, kv: {}, dir, log: pino({ level: 'silent' }), signal } as unknown as Context
  return openShift(plugin, context, dir).member
}

const nothing = () => undefined
const call: Call = {
  by: { person: 'bench', key: 'local', role: 'admin' },
  out: Object.assign(nothing, {
    ...{ step: nothing, headline: nothing, detail: nothing, warn: nothing, flushed: async () => undefined },
  }) as Out,
  signal,
}

// Programs -----------------------------------------------------------------------------------------------

async function programs(rounds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'davit-bench-'))
  try {
    await mkdir(join(folder, 'hooks'))
    await writeFile(join(folder, 'plugin.json'), '{"name": "true", "about": "", "api": 1}')
    await copyFile('/bin/true', join(folder, 'hooks/beforeCreate'))
    const fence = findFence(undefined, plainEnv())
    const tools = { user: undefined, fence, env: plainEnv(), checkout: async () => undefined }
    const place = { name: 'true', folder, version: '', origin: 'installed' } as const
    const { beforeCreate } = createDriver(() => [member])
    const member = onDuty(readExecutable(place, tools), folder)
    const outcome = await takeTurns({
      what: 'a hook that is /bin/true',
      target: 3,
      rounds: rounds * 2,
      davit: () => timed(() => beforeCreate({ app }, call)),
      beside: () => timed(() => once(spawn('/bin/true', { stdio: 'pipe' }), 'close')),
    })
    console.log(
      `${outcomeTable([outcome])}\nBeside: spawning /bin/true with three pipes, until it has ended.\n`,
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

// A command ----------------------------------------------------------------------------------------------

const installed = 50

async function listing(rounds: number): Promise<void> {
  const boxes: (Sandbox & { close(): Promise<void> })[] = []
  told.push(() => Promise.all(boxes.splice(0).map(box => box.close())))
  try {
    boxes.push(await openSandbox(), await openSandbox())
    const [full, empty] = [boxes[0]!, boxes[1]!]
    for (let at = 0; at < installed; at++) await install(full, at)
    for (const box of boxes) for (const name of ['a', 'b', 'c']) await box.ssh(`apps:create ${name}`)
    const list = async (box: Sandbox) => {
      const { code, stderr } = await box.ssh('apps:list')
      if (code !== 0) throw new Error(stderr)
    }
    const before = [await cpuOf(full), await cpuOf(empty)]
    const outcome = await takeTurns({
      what: `apps:list, ${installed} plugins more`,
      target: 1.05,
      rounds: rounds * 4,
      davit: () => timed(() => list(full)),
      beside: () => timed(() => list(empty)),
    })
    const after = [await cpuOf(full), await cpuOf(empty)]
    const [one, other] = after.map((ms, side) => (ms - before[side]!) / (rounds * 4 + 2)) as [number, number]
    console.log(
      `${outcomeTable([outcome])}\nBeside: the same on a Davit with its own plugins only. Every connection is new.`,
    )
    console.log(
      `The daemon's CPU a command: ${one.toFixed(2)} and ${other.toFixed(2)} ms, ratio ${(one / other).toFixed(3)}`,
    )
  } finally {
    await Promise.all(boxes.splice(0).map(box => box.close()))
  }
}

/** Milliseconds so far; the kernel counts in hundredths of a second (proc(5), fields 14 and 15 of stat). */
async function cpuOf(box: Sandbox): Promise<number> {
  const stat = await readFile(`/proc/${await box.daemonPid()}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function install(box: Sandbox, at: number): Promise<void> {
  const packed = tar.pack()
  packed.entry(
    { name: 'index.ts' },
    `import { defineCommand, definePlugin } from 'davit/plugin'
    export default definePlugin({
      name: 'bench-${at}', about: 'One of many', api: 1,
      commands: [defineCommand({ name: 'bench-${at}:do', about: 'Do nothing', run() {} })],
      hooks: { shapeEnv: env => ({ ...env, BENCH_${at}: '1' }), afterRelease() {} },
    })`,
  )
  packed.finalize()
  const input = Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
  const { code, stderr } = await box.ssh('plugin:install -', { input })
  if (code !== 0) throw new Error(stderr)
  process.stderr.write(`       ${at + 1} of ${installed} installed\n`)
}

const { values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '12' }, only: { type: 'string', default: parts.join() } },
})
const only = new Set(values.only.split(','))
const strange = [...only].find(part => !parts.includes(part))
if (strange !== undefined) throw new Error(`${strange} is none of: ${parts.join(', ')}`)
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => Promise.all(told.map(each => each())).finally(() => process.exit(code)))
const longestMs = 10 * 60_000
setTimeout(async () => {
  console.error(
    `It was not done within ${longestMs / 60_000} minutes; with --rounds or --only it asks for less.`,
  )
  await Promise.all(told.map(each => each())).finally(() => process.exit(1))
}, longestMs)
await bench(only, Number(values.rounds))
process.exit(0)
