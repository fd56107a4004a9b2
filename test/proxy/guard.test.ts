import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import { t } from 'tap'

import { backend, dial, routeTo, stage } from './stage.ts'

const head = 'POST / HTTP/1.1\r\nHost: shop.test\r\n'

t.test('a body that crawls ends its connection, one that comes steadily is taken', async t => {
  const app = await backend(t, (req, res) => {
    let bytes = 0
    req
      .on('error', () => {})
      .on('data', chunk => {
        bytes += chunk.length
      })
    req.once('end', () => res.end(`${bytes}`))
  })
  const limits = { patienceMs: 2000, takeMs: 2000, leastRate: 100 }
  const { port, traffic } = await stage(t, [routeTo(app)], limits)
  const crawling = dial(port)
  crawling.socket.write(`${head}Content-Length: 1000\r\n\r\n`)
  const drip = setInterval(() => crawling.socket.write('x'), 100)
  const steady = dial(port)
  steady.socket.write(`${head}Content-Length: 1000\r\n\r\n`)
  for (let n = 0; n < 25; n++) {
    steady.socket.write('x'.repeat(40))
    await pause(200)
  }
  t.match(await steady.hears(/\r\n\r\n1000$/), /200 OK/)
  await crawling.closed
  clearInterval(drip)
  steady.socket.destroy()
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('an app that takes a body slowly costs its client nothing', async t => {
  const app = await backend(t, (req, res) => {
    req.pause()
    setTimeout(() => req.resume().once('end', () => res.end('late')), 3500)
  })
  const { ask } = await stage(t, [routeTo(app)], { patienceMs: 1000, takeMs: 1000, leastRate: 1000 })
  t.match(await ask('/', { method: 'POST', body: Buffer.alloc(20 * 1024 * 1024) }), { body: 'late' })
})

t.test('a client that takes its answer too slowly is let go', async t => {
  const app = await backend(t, (_req, res) => res.end(Buffer.alloc(50 * 1024 * 1024)))
  const { port, traffic } = await stage(t, [routeTo(app)], { patienceMs: 1000, takeMs: 1000 })
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await once(client.socket, 'data')
  client.socket.pause()
  await traffic.quiet(10_000)
  t.equal(traffic.stats().inFlight, 0)
  client.socket.destroy()
})

t.test('so is one that leaves small answers lying, each of which came in one piece', async t => {
  const app = await backend(t, (_req, res) => res.end(Buffer.alloc(60_000)))
  const { port, parts, trips } = await stage(t, [routeTo(app)], { patienceMs: 1000, takeMs: 1000 })
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'.repeat(1000))
  await once(client.socket, 'data')
  client.socket.pause()
  await parts.guard.empty(20_000)
  t.equal(parts.guard.open(), 0)
  t.ok(trips.length < 900, `${trips.length} answers were taken`)
  client.socket.destroy()
})

t.test('one address has so many connections and no more, and others are let in', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { port, ask } = await stage(t, [routeTo(app)], { perAddress: 3 })
  const many = Array.from({ length: 5 }, () =>
    net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' }).on('error', () => {}),
  )
  await Promise.all(many.slice(3).map(each => once(each, 'close')))
  t.match(await ask('/'), { status: 200 })
  for (const each of many) each.destroy()
  await pause(50)
  const again = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' })
  again.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  t.match(String((await once(again, 'data'))[0]), /200 OK/)
  again.destroy()
})

t.test('a client that has one port for two connections has two that wait to be heard', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { port, parts } = await stage(t, [routeTo(app)])
  const other = net.createServer(socket => parts.guard.admits(socket)).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const connect = async (to: number, from?: number) => {
    const socket = net.connect({ port: to, host: '127.0.0.1', localAddress: '127.0.0.1', localPort: from })
    await once(socket, 'connect')
    return socket
  }
  const silent = await connect((other.address() as AddressInfo).port)
  const asking = await connect(port, silent.localPort)
  asking.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  t.match(String((await once(asking, 'data'))[0]), /200 OK/)
  const first = await Promise.race([
    parts.guard.heard().then(() => 'all have asked'),
    pause(500).then(() => 'one waits'),
  ])
  t.equal(first, 'one waits')
  silent.destroy()
  asking.destroy()
  await parts.guard.heard()
})

t.test('a connection is closed after so many requests', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { port } = await stage(t, [routeTo(app)], { requestsPerConnection: 2 })
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'.repeat(2))
  await client.closed
  t.match(client.heard(), /keep-alive.*ok.*connection: close.*ok/is)
})
