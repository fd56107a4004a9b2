import { once } from 'node:events'

import { t } from 'tap'

import { randomOf } from '../../scripts/chaos.d/random.ts'
import type { Visitor } from '../../src/proxy/visitor.ts'
import { type Frame, flag, frame, get, headers, post, type, wire } from './frames2.ts'
import { backend, bareBackend, routeOf, routeTo, secureStage } from './stage.ts'

/** What a client of HTTP/2 may do to cost more than it has paid for. */

t.test('a client that says goodbye, calls off its last request and stays is not kept', async t => {
  const app = await bareBackend(t, () => undefined)
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(headers(1, get, flag.endStream), frame(type.goaway, 0, 0, Buffer.alloc(8)))
  await client.hears(({ kind }) => kind === type.goaway)
  client.say(frame(type.reset, 0, 1, Buffer.of(0, 0, 0, 8)))
  t.equal(await client.closed, 'closed')
})

t.test('a body that comes byte by byte reaches the app in few pieces', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (said.endsWith('\r\n0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  const bytes = Array.from({ length: 20_000 }, (_, at) => frame(type.data, 0, 1, String(at % 10)))
  client.say(headers(1, post), ...bytes, frame(type.data, flag.endStream, 1))
  t.not(await client.hears(({ kind }) => kind === type.data), 'closed')
  const chunks = app.said().slice(app.said().indexOf('\r\n\r\n') + 4)
  t.ok(chunks.split('\r\n').length < 1_000)
  t.equal(chunks.replaceAll(/[0-9a-f]+\r\n([0-9]*)\r\n/g, '$1').trim(), '0123456789'.repeat(2_000))
})

t.test('pieces of any size come whole and in order, while the app reads and while it does not', async t => {
  const random = randomOf(7)
  const reading: (() => void)[] = []
  const heard: string[] = []
  const app = await backend(t, (req, res) => {
    const at = Number(req.url!.slice(1))
    const read = () => {
      req.setEncoding('latin1').on('data', (piece: string) => {
        heard[at] = (heard[at] ?? '') + piece
      })
      req.on('end', () => res.end('read'))
    }
    if (at % 2 === 0) read()
    else reading.push(read)
  })
  const { httpsPort, tripped } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  const paths = Array.from({ length: 8 }, (_, at) => `/${at}`)
  const said = paths.map(() => '')
  const frames = paths.map((path, at) => headers(at * 2 + 1, [...post.slice(0, 3), [':path', path]]))
  for (let count = 0; count < 3_000; count++) {
    const at = Math.floor(random.between(0, said.length))
    const size = random.pick(
      [0, 1, 1, 2, 9, 100, 4_095, 4_096, 9_000].filter(size => size < 2_000 || count % 9 === 0),
    )
    const piece = String(count).repeat(size).slice(0, size)
    if (said[at]!.length + size > 250_000 || size === 0) continue
    said[at] += piece
    frames.push(frame(type.data, 0, at * 2 + 1, piece))
  }
  client.say(...frames, frame(type.ping, 0, 0, 'are you?'))
  await client.hears(({ kind }) => kind === type.ping)
  while (reading.length < 4) await once(app.server, 'request')
  for (const read of reading) read()
  client.say(...paths.map((_, at) => frame(type.data, flag.endStream, at * 2 + 1)))
  const trips = await tripped(8)
  t.same(
    trips.map(({ visitor }) => visitor.status),
    paths.map(() => 200),
  )
  t.same(heard, said)
})

t.test(
  'a client that asks for much and takes none of it has little kept for it, and gets all of it later',
  async t => {
    const size = 400_000
    const app = await backend(t, (_req, res) => res.end(Buffer.alloc(size, 'x')))
    const { httpsPort, parts } = await secureStage(t, [routeTo(app)])
    const client = await wire(t, httpsPort)
    const { watch } = parts.guard
    const stalled = new Set<Visitor>()
    const all = new Promise<void>(resolve => {
      parts.guard.watch = (visitor, limits) => {
        watch(visitor, limits)
        if (stalled.add(visitor).size === 100) resolve()
      }
    })
    client.say(frame(type.settings, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)))
    for (let stream = 1; stream < 200; stream += 2) client.say(headers(stream, get, flag.endStream))
    await all
    const kept = [...stalled].reduce((sum, { bytes }) => sum + bytes, 0)
    t.ok(kept < 16 * 1024 * 1024, `${kept} bytes are kept`)
    const open = Buffer.of(0x10, 0, 0, 0)
    client.say(frame(type.settings, 0, 0, Buffer.of(0, 4, ...open)), frame(type.window, 0, 0, open))
    const isEnd = ({ kind, flags }: Frame) => kind === type.data && (flags & flag.endStream) !== 0
    while (client.frames.filter(isEnd).length < 100 && !client.socket.closed)
      await once(client.socket, 'data')
    const taken = client.frames.filter(({ kind }) => kind === type.data)
    t.equal(
      taken.reduce((sum, { payload }) => sum + payload.length, 0),
      100 * size,
    )
  },
)

t.test('an answer that a client takes byte by byte is broken off, however short it is', async t => {
  const app = await backend(t, (req, res) => {
    res.setHeader('content-type', req.url === '/text' ? 'text/plain' : 'application/octet-stream')
    if (req.url !== '/pieces') return void res.end('x'.repeat(20_000))
    res.write('x'.repeat(10_000))
    res.end('x'.repeat(10_000))
  })
  const limits = { patienceMs: 1_000, takeMs: 1_000, leastRate: 240 }
  const files = { ...routeOf('site', ['site.test'], []), files: t.testdir({ file: 'x'.repeat(20_000) }) }
  const { httpsPort } = await secureStage(t, [{ ...routeTo(app), compress: true }, files], { limits })
  const client = await wire(t, httpsPort)
  client.say(frame(type.settings, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)))
  const streams = ['/whole', '/pieces', '/text', '/file'].map((path, at) => {
    const fields = [
      ...get.slice(0, 2),
      [':authority', path === '/file' ? 'site.test' : 'shop.test'],
      ...[[':path', path] as const, ['accept-encoding', 'gzip'] as const],
    ] as const
    client.say(headers(at * 2 + 1, fields, flag.endStream))
    return at * 2 + 1
  })
  const one = Buffer.of(0, 0, 0, 1)
  const drip = setInterval(() => client.say(...streams.map(id => frame(type.window, 0, id, one))), 50)
  t.teardown(() => clearInterval(drip))
  for (const id of streams)
    t.match(await client.hears(({ kind, stream }) => kind === type.reset && stream === id), { stream: id })
})
