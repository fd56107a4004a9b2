import t from 'tap'

import { openEngine } from '../../src/docker/dockerode.ts'
import type { LogLine } from '../../src/docker/engine.ts'
import { logLines } from '../../src/docker/logs.ts'
import { never, relay, tiny } from './tiny.ts'

const stamp = '2026-01-02T03:04:05.678901234Z '

t.test('thousands of tiny frames in one chunk are as many lines', async t => {
  const chunk = Buffer.concat(
    Array.from({ length: 50_000 }, (_, at) => frame(1 + (at % 2), `${stamp}${at}\n`)),
  )
  const lines = await all(logLines(of(chunk), { tty: false }))
  t.equal(lines.length, 50_000)
  t.strictSame(lines[49_999], { at: new Date('2026-01-02T03:04:05.678Z'), stream: 'stderr', text: '49999' })
})

t.test('lines and characters come whole however the connection cuts them', async t => {
  const bytes = Buffer.concat([
    frame(1, `${stamp}grüße `),
    frame(2, `${stamp}other\n`),
    frame(1, `${stamp}an alle 🚢\r\n`),
    frame(1, ''),
    frame(1, `${stamp}\n`),
    frame(1, `${stamp}last`),
  ])
  const single = Array.from(bytes, byte => Buffer.of(byte))
  const lines = await all(logLines(of(...single), { tty: false }))
  t.strictSame(
    lines.map(({ stream, text }) => [stream, text]),
    [
      ['stderr', 'other'],
      ['stdout', 'grüße an alle 🚢'],
      ['stdout', ''],
      ['stdout', 'last'],
    ],
  )
})

t.test('a line without an end does not grow for ever', async t => {
  async function* endless() {
    for (let at = 0; at < 200; at++) yield frame(1, `${stamp}${'ü'.repeat(32_768)}`)
  }
  const lines = await all(logLines(endless(), { tty: false }))
  t.equal(lines.map(({ text }) => text).join('').length, 200 * 32_768)
  t.ok(lines.length > 1 && lines.every(({ text }) => !text.includes('\ufffd')))
})

t.test('with a real engine', async t => {
  const { engine, instance, run } = await tiny(t)

  t.test('both streams, from the tail or from a moment', async t => {
    const name = await run(['sh', '-c', 'echo one; echo two >&2; sleep 0.02; echo three'])
    await engine.wait(name, { signal: never })
    const lines = await all(engine.logs(name, { signal: never }))
    t.strictSame(lines.map(({ text }) => text).sort(), ['one', 'three', 'two'])
    t.equal(lines.find(({ text }) => text === 'two')?.stream, 'stderr')
    t.match(await all(engine.logs(name, { tail: 1, signal: never })), [{ text: 'three' }])
    t.strictSame(await all(engine.logs(name, { tail: 0, signal: never })), [])
    const since = lines.find(({ text }) => text === 'three')!.at
    t.strictSame(
      (await all(engine.logs(name, { since, signal: never }))).map(({ text }) => text),
      ['three'],
    )
  })

  t.test('a line of a megabyte is one line', async t => {
    const name = await run(['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" x; echo; echo after'])
    const lines = await all(engine.logs(name, { follow: true, signal: never }))
    t.strictSame(
      lines.map(({ text }) => text.length),
      [1_000_000, 5],
    )
  })

  t.test('a terminal has no frames', async t => {
    const name = await run(['sh', '-c', 'echo one; echo grüße'], { interactive: { tty: true } })
    t.match(await all(engine.logs(name, { follow: true, signal: never })), [
      { at: Date, stream: 'stdout', text: 'one' },
      { stream: 'stdout', text: 'grüße' },
    ])
  })

  t.test('following ends with the container, with the signal, or when nobody wants more', async t => {
    const name = await run(['sh', '-c', 'echo one; exec sleep 60'])
    const controller = new AbortController()
    const seen: string[] = []
    for await (const { text } of engine.logs(name, { follow: true, signal: controller.signal })) {
      seen.push(text)
      controller.abort()
    }
    for await (const { text } of engine.logs(name, { follow: true, signal: never })) {
      seen.push(text)
      break
    }
    const following = all(engine.logs(name, { follow: true, signal: never }))
    await engine.kill(name, { signal: 'KILL' })
    t.strictSame([...seen, ...(await following).map(({ text }) => text)], ['one', 'one', 'one'])
  })

  t.test('logs that nobody reads do not pile up here', async t => {
    const name = await run(['sh', '-c', 'yes "$(seq 200 | tr -d \'\\n\')" | head -c 8000000'])
    await engine.wait(name, { signal: never })
    const way = await relay(t)
    const far = await openEngine({ socketPath: way.path, instance })
    const lines = far.logs(name, { signal: never })
    await lines[Symbol.asyncIterator]().next()
    for (let turn = 0; turn < 50; turn++) await engine.networks()
    t.ok(way.passed() < 4_000_000)
    await all(lines)
    t.ok(way.passed() > 8_000_000)
  })
})

function frame(stream: number, text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

async function* of(...chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}

async function all(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const found: LogLine[] = []
  for await (const line of lines) found.push(line)
  return found
}
