import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { PassThrough, Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

import t from 'tap'

import type { Terminal } from '../../src/types.ts'
import { never, streams, tiny } from './tiny.ts'

const { engine, container, run } = await tiny(t)

t.test('a task gets its input to the end and answers on both streams, losing nothing', async t => {
  const task = container(['sh', '-c', 'cat; echo done >&2; exit 5'], { interactive: { tty: false } })
  const input = randomBytes(5 * 1024 * 1024)
  await engine.create(task)
  const { stdout, stderr, signal } = streams()
  const { done } = await engine.attach(task.name, { stdin: Readable.from([input]), stdout, stderr, signal })
  await engine.start(task.name)
  t.equal(await done, undefined)
  t.ok(stdout.bytes().equals(input))
  t.equal(stderr.text(), 'done\n')
  t.equal(await engine.wait(task.name, { signal }), 5)
})

t.test(
  'what a task writes after it stopped reading its input arrives whole, however slow the reader',
  async t => {
    const task = container(['sh', '-c', 'head -c 1 >/dev/null; seq 200000; exit 2'], {
      interactive: { tty: false },
    })
    await engine.create(task)
    let last = Buffer.alloc(0)
    const stdout = new Writable({
      highWaterMark: 1024,
      write(chunk, _, next) {
        last = Buffer.concat([last, chunk]).subarray(-20)
        setImmediate(next)
      },
    })
    async function* yes() {
      for (;;) yield Buffer.alloc(65536, 'y\n')
    }
    const stdin = Readable.from(yes())
    const { done } = await engine.attach(task.name, { ...streams(), stdout, stdin })
    await engine.start(task.name)
    await done
    stdin.destroy()
    t.match(last.toString(), /\n200000\n$/)
  },
)

t.test('input that ends before the task starts is there when it does', async t => {
  const task = container(['sh', '-c', 'cat; echo end'], { interactive: { tty: false } })
  await engine.create(task)
  const stdin = Readable.from([Buffer.from('early\n')])
  const closed = once(stdin, 'close')
  const { stdout, ...rest } = streams({ stdin })
  const { done } = await engine.attach(task.name, { stdout, ...rest })
  await closed
  for (let turn = 0; turn < 5; turn++) await engine.inspect(task.name)
  await engine.start(task.name)
  await done
  t.equal(stdout.text(), 'early\nend\n')
})

t.test('a task without input reads none, and its first words are not lost', async t => {
  const task = container(['sh', '-c', 'echo first; cat; echo last'])
  await engine.create(task)
  const { stdout, ...rest } = streams()
  const { done } = await engine.attach(task.name, { stdout, ...rest })
  await engine.start(task.name)
  await done
  t.equal(stdout.text(), 'first\nlast\n')
})

t.test('a reader that does not read stops the task from writing', async t => {
  const task = container(['sh', '-c', 'cat /dev/zero'])
  await engine.create(task)
  const controller = new AbortController()
  let bytes = 0
  const first = Promise.withResolvers<void>()
  const stdout = new Writable({
    write(chunk) {
      bytes += chunk.length
      first.resolve()
    },
  })
  const { done } = await engine.attach(task.name, { ...streams(), stdout, signal: controller.signal })
  await engine.start(task.name)
  await first.promise
  t.ok(stdout.writableLength < 1024 * 1024 && bytes < 1024 * 1024)
  controller.abort()
  t.equal(await done, undefined)
  t.equal((await engine.inspect(task.name))?.state, 'running')
})

t.test('a terminal has its size from the start, and every later one', async t => {
  const task = container(
    [
      'sh',
      '-c',
      'read go; stty size; read go; until [ "$(stty size)" = "40 120" ]; do sleep 0.02; done; echo grown',
    ],
    {
      interactive: { tty: true },
    },
  )
  await engine.create(task)
  const { terminal, resize } = terminalOf({ cols: 91, rows: 31 })
  const stdin = new PassThrough()
  const { stdout, ...rest } = streams()
  const { done } = await engine.attach(task.name, { stdout, ...rest, stdin, terminal })
  await engine.start(task.name)
  stdin.write('go\n')
  await said(stdout, '31 91\r\n')
  resize({ cols: 120, rows: 40 })
  stdin.write('go\n')
  await done
  t.match(stdout.text(), /grown\r\n$/)
})

t.test('a command in a running container has streams, environment and exit code', async t => {
  const name = await run(['sleep', '60'])
  const { stdout, stderr, signal } = streams()
  const input = randomBytes(5 * 1024 * 1024)
  const { done } = await engine.exec(name, ['sh', '-c', 'cat; echo "$WHO" >&2; exit 9'], {
    stdin: Readable.from([input]),
    stdout,
    stderr,
    signal,
    env: { WHO: 'wörld' },
  })
  t.equal(await done, 9)
  t.ok(stdout.bytes().equals(input))
  t.equal(stderr.text(), 'wörld\n')
})

t.test('a command gets a terminal of the right size', async t => {
  const name = await run(['sleep', '60'])
  const { terminal, resize } = terminalOf({ cols: 77, rows: 22 })
  const stdin = new PassThrough()
  const { stdout, ...rest } = streams()
  const { done } = await engine.exec(name, ['sh'], { stdout, ...rest, stdin, terminal })
  stdin.write('until [ "$(stty size)" = "22 77" ]; do sleep 0.02; done; echo fi""rst\n')
  await said(stdout, 'first\r\n')
  resize({ cols: 99, rows: 33 })
  stdin.write('until [ "$(stty size)" = "33 99" ]; do sleep 0.02; done; echo sec""ond; exit 4\n')
  await said(stdout, 'second\r\n')
  t.equal(await done, 4)
})

t.test('a command that is not there says so', async t => {
  const name = await run(['sleep', '60'])
  const { stdout, ...rest } = streams()
  const { done } = await engine.exec(name, ['no-such-program'], { stdout, ...rest })
  t.equal(await done, 126)
  t.match(stdout.text(), /no-such-program/)
})

t.test('a command in a container that does not run is refused', async t => {
  const name = await run(['true'])
  await engine.wait(name, { signal: never })
  await t.rejects(engine.exec(name, ['true'], streams()), { code: 'not-running' })
})

t.test('a command whose container is removed ends', async t => {
  const name = await run(['sleep', '60'])
  const { stdout, ...rest } = streams({ stdin: new PassThrough() })
  const { done } = await engine.exec(name, ['sh', '-c', 'echo began; cat'], { stdout, ...rest })
  await said(stdout, 'began\n')
  await engine.remove(name)
  t.ok([137, undefined].includes(await done))
})

for (const kind of ['terminal', 'plain'] as const) {
  t.test(`a ${kind} command whose person has gone is hung up on`, async t => {
    const name = await run(['sleep', '60'])
    const controller = new AbortController()
    const mark = `7${process.pid}${kind.length}`
    const given = { signal: controller.signal, stdin: new PassThrough() }
    const { terminal } = terminalOf({ cols: 80, rows: 24 })
    const { stdout, ...rest } = streams(kind === 'terminal' ? { ...given, terminal } : given)
    const { done } = await engine.exec(name, ['sh', '-c', `echo began; sleep ${mark}; true`], {
      stdout,
      ...rest,
    })
    await said(stdout, 'began')
    controller.abort()
    t.equal(await done, undefined)
    while (await running(mark)) await delay(20)
  })
}

function terminalOf(size: { cols: number; rows: number }) {
  const listeners: Parameters<Terminal['onResize']>[0][] = []
  const terminal: Terminal = { term: 'xterm', ...size, onResize: listener => void listeners.push(listener) }
  const resize = (to: { cols: number; rows: number }) => {
    for (const listener of listeners) listener(to)
  }
  return { terminal, resize }
}

async function said(stdout: { text(): string }, words: string): Promise<void> {
  while (!stdout.text().includes(words)) await delay(5)
}

async function running(argument: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.some(line => line.includes(`sleep\0${argument}\0`))
}
