import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type http from 'node:http'
import type { Socket } from 'node:net'

import { t } from 'tap'

import { openApp } from '../../scripts/attack.d/stand.ts'
import { attackWebSockets } from '../../scripts/attack.d/websockets.ts'
import { backend, bareBackend, dial, routeTo, stage } from './stage.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const handshake = `GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`
const accept = (sent: string) =>
  createHash('sha1').update(`${sent}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const switching = (sent: string) =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(sent)}\r\nKeep-Alive: timeout=5\r\n\r\n`

/** An app that switches and then echoes bytes (frames of Node's own client are unmasked by hand). */
async function echoing(t: Tap, each: (chunk: Buffer, socket: Socket) => void) {
  const app = await backend(t, (_req, res) => res.end('plain'))
  const sockets: Socket[] = []
  app.server.on('upgrade', (req, socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write(switching(req.headers['sec-websocket-key']!))
    socket.on('data', (chunk: Buffer) => each(chunk, socket))
  })
  t.teardown(() => sockets.forEach(socket => void socket.destroy()))
  return { ...app, sockets }
}

type Tap = Parameters<typeof backend>[0]

t.test('a WebSocket speaks through the proxy', async t => {
  const app = await echoing(t, (chunk, socket) => {
    const [length, mask] = [chunk[1]! & 0x7f, chunk.subarray(2, 6)]
    const text = Buffer.from(chunk.subarray(6, 6 + length)).map((byte, at) => byte ^ mask[at % 4]!)
    socket.write(Buffer.concat([Buffer.from([chunk[0]!, length]), text]))
    // The echo of a close frame is the last.
    if ((chunk[0]! & 0x0f) === 8) socket.end()
  })
  const { port, traffic } = await stage(t, [{ ...routeTo(app), domains: { localhost: true } }])
  const socket = new WebSocket(`ws://localhost:${port}/ws`)
  await once(socket, 'open')
  for (const word of ['one', 'two']) {
    socket.send(word)
    const [{ data }] = (await once(socket, 'message')) as [MessageEvent]
    t.equal(data, word)
  }
  t.equal(traffic.stats().inFlight, 1)
  socket.close()
  await once(socket, 'close')
  t.equal(await traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 5000, websocketMs: 5000 }), 0)
})

t.test('bytes pass both ways, in bulk and from the first packet on', async t => {
  const app = await echoing(t, (chunk, socket) => void socket.write(chunk))
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  const bytes = randomBytes(5 * 1024 * 1024).toString('latin1')
  client.socket.write(Buffer.from(`${handshake}\r\nfirst${bytes}last`, 'latin1'))
  const heard = await client.hears(/last$/)
  t.ok(heard.endsWith(`\r\n\r\nfirst${bytes}last`))
  t.match(heard, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  t.match(heard.slice(0, 500), /\r\nx-request-id: /)
  t.notMatch(heard.slice(0, 500), /timeout=5/)
  client.socket.destroy()
})

t.test('the end of either side ends the other', async t => {
  const app = await echoing(t, () => {})
  const { port, traffic } = await stage(t, [routeTo(app)])
  const one = dial(port)
  one.socket.write(`${handshake}\r\n`)
  await one.hears(/101/)
  app.sockets[0]!.resetAndDestroy()
  await one.closed
  const two = dial(port)
  two.socket.write(`${handshake}\r\n`)
  await two.hears(/101/)
  const ended = once(app.sockets[1]!, 'end')
  two.socket.resetAndDestroy()
  await ended
  t.equal(await traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 5000, websocketMs: 5000 }), 0)
})

t.test('a client that ends its side hears the app’s last words, and no app can keep it open', async t => {
  const app = await echoing(t, (_chunk, socket) => void setImmediate(() => socket.write('word')))
  const { port, traffic } = await stage(t, [routeTo(app)])
  const early = dial(port)
  early.socket.end(`${handshake}\r\n`)
  t.match(await early.hears(/\r\n\r\n/), / 101 /)
  const late = dial(port)
  late.socket.write(`${handshake}\r\n`)
  await late.hears(/101/)
  late.socket.end('bye')
  t.match(await late.hears(/word$/), /word$/)
  await Promise.all([early.closed, late.closed])
  t.equal(await traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 5000, websocketMs: 5000 }), 0)
})

t.test('a client that resets before the answer harms nobody', async t => {
  const app = await bareBackend(t, () => {})
  const { port, traffic, ask } = await stage(t, [routeTo(app)])
  for (let n = 0; n < 20; n++) {
    const client = dial(port)
    client.socket.write(`${handshake}\r\n`)
    await once(app.server, 'connection')
    client.socket.resetAndDestroy()
  }
  t.equal(await traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 5000, websocketMs: 5000 }), 0)
  t.match(await ask('/', { host: 'nobody.test' }), { status: 404 })
})

t.test('resets of either side at every step leave nothing behind, and the next one is served', async t => {
  const steps = {
    'before a byte': { said: '', app: '' },
    'in the middle of the request': { said: handshake, app: '' },
    'after the request': { said: `${handshake}\r\n`, app: '' },
    'in the middle of the 101': { said: `${handshake}\r\n`, app: switching(key).slice(0, 30) },
    'after the 101': { said: `${handshake}\r\n`, app: switching(key) },
    'in the middle of a frame': { said: `${handshake}\r\n\x82\xfehalf`, app: `${switching(key)}\x82\x7eha` },
  }
  for (const [name, { said, app: answer }] of Object.entries(steps)) {
    for (const side of ['client', 'app'] as const) {
      const app = await bareBackend(t, (socket, heard) => heard.includes('\r\n\r\n') && socket.write(answer))
      const { port, traffic, trips } = await stage(t, [routeTo(app)])
      const client = dial(port)
      client.socket.write(Buffer.from(said, 'latin1'))
      const reaches = said.includes('\r\n\r\n')
      if (reaches)
        while (!app.said().includes('\r\n\r\n'))
          await once(app.server, 'connection').then(() => once(app.connections.at(-1)!.socket, 'data'))
      if (answer.endsWith('\r\n\r\n')) await client.hears(/ 101 /)
      if (side === 'client' || !reaches) client.socket.resetAndDestroy()
      else app.connections[0]!.socket.resetAndDestroy()
      await client.closed
      t.equal(
        await traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 5000, websocketMs: 5000 }),
        0,
        `${side}, ${name}`,
      )
      t.equal(trips.length, reaches ? 1 : 0, `${side}, ${name}: told once`)
    }
  }
})

t.test('an app that does not switch answers in its own words, properly framed', async t => {
  const app = await bareBackend(t, socket => {
    socket.write(
      'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nX-Why: not you\r\n\r\n',
    )
    socket.write('5\r\nnever\r\n0\r\n\r\n')
  })
  const { raw } = await stage(t, [routeTo(app)])
  const heard = await raw(`${handshake}\r\nGET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n`)
  t.match(heard, /^HTTP\/1\.1 403 Forbidden\r\n/)
  t.match(heard, /\r\nX-Why: not you\r\n/)
  t.match(heard, /\r\nConnection: close\r\n/i)
  t.match(heard, /\r\n\r\n5\r\nnever\r\n0\r\n\r\n$/)
  t.notMatch(app.said(), /smuggled/)
})

t.test('an app that switches to something else, dies or stays silent is not waited for', async t => {
  const other = await bareBackend(t, socket =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nodd'),
  )
  const dying = await bareBackend(t, socket => socket.destroy())
  const silent = await bareBackend(t, () => {})
  const limits = { answerMs: 50 }
  t.match(await (await stage(t, [routeTo(other)])).raw(`${handshake}\r\n`), /^HTTP\/1\.1 502 /)
  t.match(await (await stage(t, [routeTo(dying)])).raw(`${handshake}\r\n`), /^HTTP\/1\.1 502 /)
  t.match(await (await stage(t, [routeTo(silent)], limits)).raw(`${handshake}\r\n`), /^HTTP\/1\.1 504 /)
})

t.test('a WebSocket for nobody, or for a stopped app, gets a page', async t => {
  const { raw } = await stage(t, [routeTo()])
  t.match(await raw(`${handshake}\r\n`), /^HTTP\/1\.1 503 /)
  t.match(await raw(`${handshake.replace('shop.test', 'nobody.test')}\r\n`), /^HTTP\/1\.1 404 /)
  t.match(await raw(`${handshake.replace('shop.test', 'a b')}\r\n`), /^HTTP\/1\.1 400 /)
})

t.test('an upstream that refuses is passed over', async t => {
  const app = await echoing(t, (chunk, socket) => void socket.write(chunk))
  const dead = await backend(t, () => {})
  dead.server.close()
  await once(dead.server, 'close')
  const { port } = await stage(t, [routeTo(dead, app)])
  for (let n = 0; n < 4; n++) {
    const client = dial(port)
    client.socket.write(`${handshake}\r\n`)
    t.match(await client.hears(/101/), /^HTTP\/1\.1 101 /)
    client.socket.destroy()
  }
})

t.test('other upgrades, and one with a body, are plain requests', async t => {
  const app = await backend(t, async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    res.end(`plain ${req.headers.upgrade} ${req.headers.connection} ${body}`)
  })
  app.server.on('upgrade', (_req, socket: Socket) => socket.destroy())
  const { raw } = await stage(t, [routeTo(app)])
  const close = 'Host: shop.test\r\nConnection: Upgrade, close\r\n'
  t.match(await raw(`GET / HTTP/1.1\r\n${close}Upgrade: h2c\r\n\r\n`), /200 OK.*plain undefined keep-alive/s)
  t.match(
    await raw(`POST / HTTP/1.1\r\n${close}Upgrade: websocket\r\nContent-Length: 4\r\n\r\nbody`),
    /200 OK.*plain undefined keep-alive body/s,
  )
})

t.test('a 101 does not overtake the answer to an earlier request', async t => {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (req, res) => (req.url === '/slow' ? held.push(res) : res.end('plain')))
  app.server.on('upgrade', (_req, socket: Socket) => socket.end(switching(key)))
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write(`GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n${handshake}\r\n`)
  while (held.length === 0) await once(app.server, 'request')
  held[0]!.end('slow')
  t.match(await client.hears(/101 /), /^HTTP\/1\.1 200 .*slowHTTP\/1\.1 101 /s)
  client.socket.destroy()
})

t.test('a WebSocket that is ended from here gets a close frame, never in the middle of another', async t => {
  const app = await echoing(t, () => {})
  const { port, traffic } = await stage(t, [routeTo(app)])
  const name = [`127.0.0.1:${app.port}`]
  const client = dial(port)
  client.socket.write(`${handshake}\r\n`)
  await client.hears(/101/)
  while (app.sockets.length === 0) await once(app.server, 'upgrade')
  // Half of a frame of 200 bytes, and the rest once the end has been asked for.
  app.sockets[0]!.write(Buffer.concat([Buffer.from([0x82, 126, 0, 200]), Buffer.alloc(100, 'a')]))
  await client.hears(/a{100}$/)
  t.equal(await traffic.drain(name, { timeoutMs: 5000, websocketMs: 10 }), 1)
  t.notMatch(client.heard(), /\x88/)
  app.sockets[0]!.write(Buffer.concat([Buffer.alloc(100, 'a'), Buffer.from([0x81, 1, 0x62])]))
  await client.closed
  t.match(client.heard(), /a{200}\x81\x01b\x88\x02\x03\xe9$/)
})

t.test('a client that knows its manners hears why, and requests are not waited for with it', async t => {
  const app = await echoing(t, (_chunk, socket) => socket.end())
  const { port, traffic } = await stage(t, [{ ...routeTo(app), domains: { localhost: true } }])
  const socket = new WebSocket(`ws://localhost:${port}/ws`)
  await once(socket, 'open')
  await Promise.all([
    once(socket, 'close').then(([event]) => t.equal((event as CloseEvent).code, 1001)),
    traffic.part(3000),
  ])
  t.equal(traffic.stats().inFlight, 0)
})

t.test('messages of every length over many connections at once come back as they were', async t => {
  const app = await openApp(t)
  const { port } = await stage(t, [
    { ...routeTo({ host: '127.0.0.1', port: app.port }), domains: { localhost: true } },
  ])
  const { signal } = new AbortController()
  t.same(await attackWebSockets({ port, seed: 4, connections: 20, messages: 60, signal }), [])
})

t.test('an app that refuses at length and breaks off is its own end, not a bug of ours', async t => {
  const refusal = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf'
  const app = await bareBackend(t, (socket, said) => {
    socket.write(refusal)
    if (said.includes('/reset')) setTimeout(() => socket.resetAndDestroy(), 50)
  })
  const { port, tripped } = await stage(t, [routeTo(app)], { streamIdleMs: 200 })
  for (const path of ['/reset', '/silent']) {
    const client = dial(port)
    client.socket.write(`${handshake.replace('/ws', path)}\r\n`)
    await client.closed
    t.match(client.heard(), /^HTTP\/1\.1 403 .*half$/s)
  }
  const trips = await tripped(2)
  t.strictSame(
    trips.map(({ lost, visitor: { status } }) => [lost, status]),
    [
      [true, 403],
      [true, 403],
    ],
  )
})

t.test('a client that does not take the refusal of its WebSocket does not stay for ever', async t => {
  const near = Promise.withResolvers<Socket>()
  const app = await backend(t, (_req, res) => res.end())
  app.server.on('upgrade', async (_req, socket: Socket) => {
    socket.on('error', () => {}).write('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    // Until the kernel takes no more of it.
    for (const far = await near.promise; far.writableLength === 0; ) {
      socket.write(Buffer.alloc(16 * 1024))
      await new Promise(setImmediate)
    }
    socket.end()
  })
  const { port, server, tripped } = await stage(t, [routeTo(app)], { streamIdleMs: 300, answerMs: 10_000 })
  server.once('connection', near.resolve)
  const client = dial(port)
  client.socket.pause().write(`${handshake}\r\n`)
  await once(await near.promise, 'close')
  await tripped(1)
  client.socket.destroy()
})
