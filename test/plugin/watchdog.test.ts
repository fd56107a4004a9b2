import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Test, t } from 'tap'

import type { Fault } from '../../src/plugin/watchdog.ts'
import { root } from '../../src/settings.ts'

t.test('a plugin that never gives the loop back ends the process, and is named by where it is', async t => {
  const fault = await blocked(
    t,
    `
    const { spin } = await import(plugin)
    setTimeout(async () => { await null; spin() }, 10)`,
  )
  t.match(fault, { plugin: 'spinner', reason: /^it held up everything for 1 s \(index\.ts:\d+\)$/ })
  t.match(fault?.stack[0], /^spin \(file:.*spinner\/index\.ts:\d+\)$/)
})

t.test('one that waits within a call of the system is named as whose code is on the loop', async t => {
  const fault = await blocked(
    t,
    `
    const { asPlugin } = await import(trail)
    setTimeout(() => asPlugin('waiter', 'start', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)), 10)`,
  )
  t.match(fault, { plugin: 'waiter', stack: [] })
})

t.test("code of Davit's own that holds up the loop is nobody's fault", async t => {
  const fault = await blocked(t, `setTimeout(() => { for (;;); }, 10)`)
  t.ok(fault)
  t.equal(fault?.plugin, undefined)
})

t.test('a loop that goes on, and a process that was stopped for a while, are left alone', async t => {
  const fault = await blocked(
    t,
    `
    const { spawnSync } = process.getBuiltinModule('node:child_process')
    const half = () => { const until = Date.now() + 500; while (Date.now() < until); }
    setTimeout(half, 10); setTimeout(half, 1000)
    const stop = 'kill -STOP $1; sleep 3; kill -CONT $1'
    process.getBuiltinModule('node:child_process').spawn('sh', ['-c', stop, 'sh', String(process.pid)], { detached: true, stdio: 'ignore' })
    setTimeout(() => process.exit(0), 5000)`,
    { code: 0 },
  )
  t.equal(fault, undefined)
})

/** What the thread wrote down of a process that runs this. */
async function blocked(
  t: Test,
  script: string,
  ends: object = { signal: 'SIGKILL' },
): Promise<Fault | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-watchdog-'))
  t.teardown(() => rm(dir, { recursive: true }))
  await mkdir(join(dir, 'spinner'))
  await writeFile(join(dir, 'spinner/index.ts'), 'export function spin(): never { for (;;); }')
  const at = (path: string) => JSON.stringify(join(root, 'src/plugin', path))
  const program = `
    import { startWatchdog } from ${at('watchdog.ts')}
    const plugin = ${JSON.stringify(join(dir, 'spinner/index.ts'))}, trail = ${at('trail.ts')}
    startWatchdog(${JSON.stringify(join(dir, 'fault.json'))}, { blockedMs: 1000 })
      .follow([{ name: 'spinner', folder: ${JSON.stringify(join(dir, 'spinner'))} }])
    ${script}
    setInterval(() => {}, 1000)`
  await writeFile(join(dir, 'main.mjs'), program)
  const child = spawn(process.execPath, [join(dir, 'main.mjs')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  const [code, signal] = await once(child, 'close')
  t.match({ code, signal }, ends, said)
  const text = await readFile(join(dir, 'fault.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Fault)
}
