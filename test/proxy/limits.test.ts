import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

import { t } from 'tap'

import type { RouteLimits } from '../../src/types.ts'
import { backend, bareBackend, dial, routeTo, stage } from './stage.ts'

t.test('a body that says it is too large is refused before it is sent', async t => {
  let asked = 0
  const app = await backend(t, (req, res) => {
    asked++
    req.resume().once('end', () => res.end('taken'))
  })
  const { ask, port, point } = await stage(t, [{ ...routeTo(app), limits: { bodyBytes: 10 } }])
  t.match(await ask('/', { method: 'POST', body: '0123456789', headers: { 'content-length': 10 } }), {
    status: 200,
  })
  const client = dial(port)
  client.socket.write(
    'PUT / HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n',
  )
  t.match(await client.hears(/too large/), /^HTTP\/1\.1 413 /)
  client.socket.destroy()
  t.equal(asked, 1)
  point({ ...routeTo(app), limits: { bodyBytes: 0 } })
  t.equal((await ask('/', { method: 'POST', body: Buffer.alloc(100_000) })).status, 200, '0 is any')
  point(routeTo(app))
  const usual = await stage(t, [routeTo(app)], { bodyBytes: 5 })
  t.equal(
    (await usual.ask('/', { method: 'POST', body: '123456' })).status,
    413,
    'without a limit of its own',
  )
})

t.test('a body of no known length is counted, and ends the request where it is too long', async t => {
  const ended: Promise<unknown>[] = []
  const app = await backend(t, (req, res) => {
    req.on('error', () => {})
    ended.push(new Promise(resolve => req.once('close', resolve)))
    req.resume().once('end', () => res.end('taken'))
  })
  const { ask, traffic } = await stage(t, [{ ...routeTo(app), limits: { bodyBytes: 100_000 } }])
  const send = (size: number, headers = {}) =>
    ask('/', {
      method: 'POST',
      body: Buffer.alloc(size),
      headers: { 'transfer-encoding': 'chunked', ...headers },
    })
  t.equal((await send(100_000)).status, 200)
  t.equal((await send(100_001)).status, 413)
  // Trailers go another way.
  t.equal((await send(100_000, { trailer: 'X-Sum' })).status, 200)
  t.equal((await send(5_000_000, { trailer: 'X-Sum' })).status, 413)
  await Promise.all(ended)
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('an answer that has begun is cut where the body grows too long', async t => {
  const app = await backend(t, (req, res) => {
    req.on('error', () => {})
    req.once('data', () => res.write('begun'))
    req.resume()
  })
  for (const trailer of ['', 'Trailer: X-Sum\r\n']) {
    const { port } = await stage(t, [{ ...routeTo(app), limits: { bodyBytes: 10 } }])
    const client = dial(port)
    client.socket.write(
      `POST / HTTP/1.1\r\nHost: shop.test\r\n${trailer}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`,
    )
    t.match(await client.hears(/begun/), /200 OK/)
    client.socket.write('6\r\nsecond\r\n')
    await client.closed
    t.notMatch(client.heard(), /\r\n0\r\n\r\n/)
  }
})

t.test('a route has its own patience with connecting, answering and silence', async t => {
  const silent = await bareBackend(t, () => undefined)
  const halting = await bareBackend(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
  })
  const impatient = async (upstream: { host: string; port: number }, limits: RouteLimits, method = 'GET') => {
    const { port } = await stage(t, [{ ...routeTo(upstream), limits }])
    const client = dial(port)
    client.socket.write(`${method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
    await client.closed
    return client.heard()
  }
  t.match(await impatient(silent, { answerMs: 100 }), /^HTTP\/1\.1 504 /)
  t.match(await impatient(halting, { idleMs: 100 }), /half$/)
  // An address of a network that answers nobody (RFC 5737), as long as nothing routes it.
  const nowhere = { host: '192.0.2.1', port: 9 }
  t.match(await impatient(nowhere, { connectMs: 100 }), /^HTTP\/1\.1 502 /)
})

t.test('a route may be more patient than the instance, with a client that waits too', async t => {
  const app = await backend(t, (req, res) => {
    req.resume().once('end', () => setTimeout(() => res.end('late'), 400))
  })
  const limits = { answerMs: 100, streamIdleMs: 100, bodyIdleMs: 100 }
  const { ask, port, point } = await stage(t, [routeTo(app)], limits)
  t.equal((await ask('/').catch(() => ({ status: 'cut' }))).status, 'cut')
  point({ ...routeTo(app), limits: { answerMs: 5000, bodyIdleMs: 5000 } })
  t.match(await ask('/'), { status: 200, body: 'late' })
  const slow = http.request({ port, method: 'POST', headers: { host: 'shop.test', 'content-length': 2 } })
  slow.write('a')
  setTimeout(() => slow.end('b'), 400)
  const [res] = (await once(slow, 'response')) as [http.IncomingMessage]
  t.equal(res.statusCode, 200)
  res.resume()
})

t.test('a WebSocket that is silent on both sides ends where the route says so', async t => {
  const app = net.createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      let left = 12
      const timer = setInterval(() => (left-- > 0 ? socket.write('.') : clearInterval(timer)), 150)
      socket.once('close', () => clearInterval(timer))
    })
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.teardown(() => app.close())
  const { port } = app.address() as net.AddressInfo
  const house = await stage(t, [{ ...routeTo({ host: '127.0.0.1', port }), limits: { idleMs: 1000 } }])
  const client = dial(house.port)
  client.socket.write(
    'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.closed
  t.match(client.heard(), /101 .*\r\n\r\n\.{12}$/s, 'what comes from either side keeps it')
})
