import { once } from 'node:events'
import type http from 'node:http'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import { t } from 'tap'

import { openLines } from '../../src/proxy/line.ts'
import { backend, bareBackend, dial, routeTo, stage } from './stage.ts'

const host = 'Host: shop.test\r\n'
const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`
const lines = openLines()

const spoilt: Record<string, string> = {
  'no size of a chunk': `nonsense\r\n${smuggled}`,
  'more than the size says': `2\r\nlong\r\n0\r\n\r\n${smuggled}`,
  'no trailer': `0\r\nno trailer\r\n\r\n${smuggled}`,
}

t.test('a body that is none is refused, and for the app the request breaks off', async t => {
  const app = await bareBackend(t, () => undefined)
  const { port, tripped, traffic } = await stage(t, [routeTo(app)])
  let count = 0
  for (const [name, rest] of Object.entries(spoilt)) {
    for (const cut of [true, false]) {
      const client = dial(port)
      const began = `POST /${count} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`
      if (cut) {
        client.socket.write(began)
        await app.heard(new RegExp(`POST /${count} .*half`, 's'))
        client.socket.write(rest)
      } else client.socket.write(began + rest)
      await client.closed
      t.match(client.heard(), /^HTTP\/1\.1 400 .*\r\nConnection: close\r\n.*\nIts body is not/s, name)
      t.equal(client.heard().split('HTTP/1.1 ').length, 2, `${name}: one answer`)
      const trips = await tripped(++count)
      t.match(JSON.parse(lines.access(trips.at(-1)!, 'json')), { status: 400, app: 'shop' })
      t.match(trips.at(-1), { fault: 'Its body is not proper HTTP.', failed: undefined, lost: false })
    }
  }
  for (const { socket } of app.connections) if (!socket.closed) await once(socket, 'close')
  t.notMatch(app.said(), /\r\n0\r\n|smuggled/, 'none of them came to its end')
  t.equal(traffic.stats().inFlight, 0)
})

t.test('where an answer has begun, a body that is none ends it in the middle', async t => {
  const app = await backend(t, (req, res) => {
    req.on('error', () => undefined)
    res.write('begun')
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write(`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`)
  await client.hears(/begun/)
  client.socket.write('nonsense\r\n')
  await client.closed
  t.match(client.heard(), /^HTTP\/1\.1 200 .*begun\r\n$/s)
})

/** A client that says all it has to say, ends its side and listens. */
async function sayAll(port: number, said: string): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.end(said)
  let heard = ''
  for await (const chunk of socket) heard += chunk
  return heard
}

t.test('a client that ends its side when it has asked still hears the answer', async t => {
  const app = await backend(t, (req, res) => {
    const answer = () => res.end(`<${req.url}>${req.url === '/long' ? 'x'.repeat(5_000_000) : ''}`)
    if (req.url === '/slow') setTimeout(answer, 300)
    else req.resume().once('end', answer)
  })
  const { port, traffic } = await stage(t, [routeTo(app)])
  const get = (path: string, version = '1.1') => `GET ${path} HTTP/${version}\r\n${host}\r\n`
  for (const [name, said, heard] of [
    ['HTTP/1.0', get('/slow', '1.0'), [/<\/slow>$/]],
    ['HTTP/1.1', get('/slow'), [/\r\nConnection: close\r\n.*<\/slow>$/s]],
    ['much', get('/long'), [/<\/long>x{5000000}$/]],
    ['a body', `POST /body HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nhi`, [/<\/body>$/]],
    ['several', get('/slow') + get('/2') + get('/3'), [/<\/slow>/, /<\/2>/, /<\/3>/]],
    ['an answer of ours', get('/slow') + get('/#') + get('/3'), [/<\/slow>/, / 400 /]],
  ] as const) {
    const all = await sayAll(port, said)
    for (const part of heard) t.ok(part.test(all), `${name}: ${part}`)
  }
  t.equal(await sayAll(port, `${get('/1')}GET /half`).then(all => all.split('HTTP/1.1 ').length), 2)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('a client that has ended its side and hears nothing is taken to have gone', async t => {
  for (const begun of [false, true]) {
    const asked = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    const app = await backend(t, (_req, res) => {
      if (begun) res.write('begun')
      res.once('close', left.resolve)
      asked.resolve()
    })
    const { port, tripped } = await stage(t, [routeTo(app)], { endedMs: 100 })
    const client = dial(port)
    client.socket.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    await asked.promise
    if (begun) await client.hears(/begun/)
    client.socket.destroy()
    await left.promise
    const [trip] = await tripped(1)
    t.equal(trip.fault, undefined)
  }
})

t.test('a client that has ended its side may take a long answer slowly', async t => {
  const app = await backend(t, (_req, res) => res.end('x'.repeat(20_000_000)))
  const { port, trips } = await stage(t, [routeTo(app)], { endedMs: 100, headMs: 100 })
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.end(`GET / HTTP/1.1\r\n${host}\r\n`)
  await once(socket, 'readable')
  // Meanwhile the kernel takes nothing more for it.
  await pause(500)
  t.equal(trips.length, 0, 'it is under way')
  let bytes = 0
  for await (const chunk of socket) bytes += chunk.length
  t.ok(bytes > 20_000_000, `${bytes} bytes`)
})

t.test('a client that ends its side late is listened to from then on', async t => {
  const asked = Promise.withResolvers<http.ServerResponse>()
  const app = await backend(t, (_req, res) => asked.resolve(res))
  const { port } = await stage(t, [routeTo(app)], { endedMs: 1_000, headMs: 100 })
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  client.write(`GET / HTTP/1.1\r\n${host}\r\n`)
  const answer = await asked.promise
  await pause(1_200)
  client.end()
  await pause(200)
  answer.end('late')
  let heard = ''
  for await (const chunk of client) heard += chunk
  t.match(heard, /late$/)
})

t.test('a client that ends its side in the middle of a body has gone', async t => {
  const left = Promise.withResolvers<void>()
  const app = await backend(t, req => {
    req.on('error', () => left.resolve())
  })
  const { port } = await stage(t, [routeTo(app)])
  t.equal(await sayAll(port, `POST / HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nhalf`), '')
  await left.promise
})
