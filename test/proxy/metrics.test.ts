import { once } from 'node:events'
import type http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import { t } from 'tap'

import { running } from './running.ts'
import { ask, backend, bareBackend, dial, routeOf, routeTo } from './stage.ts'

t.jobs = 1

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function measured(t: Parameters<typeof running>[0], workers = 2) {
  const metricsPort = await freePort()
  const proxy = await running(t, { workers, flags: ['--metrics-listen', `127.0.0.1:${metricsPort}`] })
  const value = async (name: string, labels = '') => {
    const { body } = await ask(metricsPort, '/metrics')
    const line = body.split('\n').find(each => each.startsWith(`davit_${name}${labels} `))
    return line === undefined ? undefined : Number(line.split(' ').at(-1))
  }
  const becomes = async (wanted: number | undefined, name: string, labels?: string) => {
    while ((await value(name, labels)) !== wanted) await pause(20)
  }
  await proxy.says(/metrics are at http:\/\/127\.0\.0\.1:\d+\/metrics/)
  return { ...proxy, metricsPort, value, becomes }
}

t.test('what every worker serves is counted, once, and a killed worker takes nothing back', async t => {
  const app = await backend(t, (req, res) => {
    res.statusCode = req.url === '/bad' ? 500 : 200
    req.resume().on('end', () => res.end('12345'))
  })
  const proxy = await measured(t)
  await proxy.edge().sync([routeTo(app), routeOf('blog', ['blog.test'], [app])])
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        at < 7
          ? ask(proxy.port, '/', { method: 'POST', body: 'abc' })
          : ask(proxy.port, '/bad', { host: at < 9 ? 'shop.test' : 'blog.test' }),
      ),
    )
  }
  await ask(proxy.port, '/', { host: 'nobody.test' })
  await proxy.becomes(35, 'requests_total', '{app="shop",code="2xx"}')
  await proxy.becomes(10, 'requests_total', '{app="shop",code="5xx"}')
  await proxy.becomes(5, 'requests_total', '{app="blog",code="5xx"}')
  await proxy.becomes(1, 'stray_requests_total', '{code="4xx"}')
  t.equal(await proxy.value('received_bytes_total', '{app="shop"}'), 35 * 3)
  t.equal(await proxy.value('sent_bytes_total', '{app="shop"}'), 45 * 5)
  t.equal(await proxy.value('request_duration_seconds_count', '{app="shop"}'), 45)
  t.equal(await proxy.value('lost_requests_total', '{app="shop"}'), 0)
  t.equal(await proxy.value('proxy_workers'), 2)
  for (const pid of await proxy.workers()) process.kill(pid, 'SIGKILL')
  t.equal((await ask(proxy.port, '/')).status, 200)
  await proxy.becomes(36, 'requests_total', '{app="shop",code="2xx"}')
})

t.test('connections to a tcp port are counted, and what long ones carry while they last', async t => {
  const app = await bareBackend(t, (socket, said) => said.endsWith('?') && socket.write('yes'))
  const proxy = await measured(t)
  const [port, nowhere] = [await freePort(), await freePort()]
  const to = (upstream: { host: string; port: number }) => ({
    scheme: 'tcp' as const,
    upstreams: { a: { host: upstream.host, port: upstream.port } },
  })
  const gone = { host: '127.0.0.1', port: await freePort() }
  await proxy.edge().point({ ...routeTo(), ports: { [port]: to(app), [nowhere]: to(gone) } })
  const clients = Array.from({ length: 3 }, () => dial(port))
  for (const client of clients) {
    client.socket.write('well?')
    await client.hears(/yes/)
  }
  await dial(nowhere).closed
  const of = '{app="shop"}'
  await proxy.becomes(4, 'tcp_connections_total', of)
  await proxy.becomes(3, 'tcp_connections_open', of)
  await proxy.becomes(1, 'tcp_failed_connections_total', of)
  await proxy.becomes(15, 'tcp_received_bytes_total', of)
  await proxy.becomes(9, 'tcp_sent_bytes_total', of)
  clients[0]!.socket.write('still?')
  await proxy.becomes(21, 'tcp_received_bytes_total', of)
  t.equal(await proxy.value('requests_total', '{app="shop",code="2xx"}'), 0)
  const [metrics] = await proxy.edge().metrics('shop')
  t.match(metrics, { requests: 0, tcp: { open: 3, connections: 4, failed: 1, received: 21, sent: 12 } })
  for (const { socket } of clients) socket.destroy()
  await proxy.becomes(0, 'tcp_connections_open', of)
  t.equal(await proxy.value('tcp_sent_bytes_total', of), 12)
})

t.test('what is under way is told, and forgotten with the worker that had it', async t => {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (_req, res) => held.push(res))
  app.server.on('upgrade', (_req, socket: net.Socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
  )
  const proxy = await measured(t, 1)
  await proxy.edge().point(routeTo(app))
  const answers = Array.from({ length: 3 }, () => ask(proxy.port, '/'))
  const client = dial(proxy.port)
  const key = 'Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n'
  client.socket.write(
    `GET / HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n`,
  )
  await client.hears(/ 101 /)
  await proxy.becomes(3, 'requests_in_flight', '{app="shop"}')
  await proxy.becomes(1, 'websockets_open', '{app="shop"}')
  for (const res of held) res.end()
  await Promise.all(answers)
  await proxy.becomes(0, 'requests_in_flight', '{app="shop"}')
  t.equal(await proxy.value('websockets_open', '{app="shop"}'), 1)
  const [worker] = await proxy.workers()
  process.kill(worker!, 'SIGKILL')
  await proxy.becomes(0, 'websockets_open', '{app="shop"}')
  t.equal(await proxy.value('requests_total', '{app="shop",code="2xx"}'), 3)
})

t.test('losses, second tries and upstreams set aside are counted', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const gone = await backend(t, () => undefined)
  gone.server.close()
  await once(gone.server, 'close')
  const proxy = await measured(t, 1)
  await proxy.edge().sync([routeTo(app, gone), routeOf('blog', ['blog.test'], [gone])])
  while ((await proxy.value('ejections_total', '{app="shop"}')) !== 1) {
    t.equal((await ask(proxy.port, '/')).status, 200)
  }
  await proxy.becomes(3, 'retries_total', '{app="shop"}')
  t.equal(await proxy.value('lost_requests_total', '{app="shop"}'), 0)
  t.equal((await ask(proxy.port, '/', { host: 'blog.test' })).status, 502)
  await proxy.becomes(1, 'lost_requests_total', '{app="blog"}')
})

t.test('counts go with their app', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await measured(t)
  const control = proxy.edge()
  await control.point(routeTo(app))
  for (let n = 0; n < 4; n++) await ask(proxy.port, '/')
  await proxy.becomes(4, 'requests_total', '{app="shop",code="2xx"}')
  await control.rename('shop', 'store')
  await control.point(routeOf('store', ['shop.test'], [app]))
  await control.forget('shop')
  for (let n = 0; n < 4; n++) await ask(proxy.port, '/')
  await proxy.becomes(8, 'requests_total', '{app="store",code="2xx"}')
  t.equal(await proxy.value('requests_total', '{app="shop",code="2xx"}'), undefined)
  await control.forget('store')
  t.equal(await proxy.value('requests_total', '{app="store",code="2xx"}'), undefined)
})

t.test('only the metrics are there, and only to be read', async t => {
  const proxy = await measured(t, 1)
  const at = (path: string, method = 'GET') => ask(proxy.metricsPort, path, { method })
  t.match(await at('/metrics'), {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  })
  t.match(await at('/metrics?x'), { status: 200 })
  t.match(await at('/'), { status: 404 })
  t.match(await at('/metrics', 'POST'), { status: 405 })
})

t.test('a port that is taken is told, stops nothing, and is had once it is free', async t => {
  const other = net.createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1, flags: ['--metrics-listen', `127.0.0.1:${port}`] })
  await proxy.edge().point(routeTo(app))
  t.match(await ask(proxy.port, '/'), { body: 'ok' })
  await proxy.says(/no metrics on 127\.0\.0\.1 port \d+: it is in use by another program/)
  other.close()
  await proxy.says(/metrics are at http/)
  t.match(await ask(port, '/metrics'), { status: 200, body: /davit_requests_total/ })
})
