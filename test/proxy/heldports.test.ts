import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import tls from 'node:tls'

import { t } from 'tap'

import { askAllTheTime } from '../../scripts/attack.d/replacements.ts'
import type { Route } from '../../src/types.ts'
import { flag, get, headers, speak, type } from './frames2.ts'
import { running } from './running.ts'
import { ask, backend, dial, freePort, routeTo } from './stage.ts'

t.jobs = 1

type App = Awaited<ReturnType<typeof backend>>

/** To the app by HTTP on one port of the host, by bytes on another. */
function onPorts(app: App, { http, tcp }: { http: number; tcp: number }): Route {
  const upstreams = { a: { host: app.host, port: app.port } }
  return {
    ...routeTo(app),
    ports: { [http]: { scheme: 'http', upstreams }, [tcp]: { scheme: 'tcp', upstreams } },
  }
}

async function opened(t: Parameters<typeof running>[0] & Parameters<typeof backend>[0], workers: number) {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const ports = { http: await freePort(), tcp: await freePort() }
  const proxy = await running(t, { workers })
  const control = proxy.edge()
  t.same(await control.point(onPorts(app, ports)), [])
  return { app, ports, proxy, control }
}

t.test('workers are replaced and the proxy too: no port refuses or resets a connection', async t => {
  const { app, ports, proxy, control } = await opened(t, 2)
  const all = [...Object.values(ports), proxy.port]
  const clients = all.map(port => askAllTheTime(port, { perSecond: 50, fresh: true }))
  const answered = async (more: number) => {
    const until = clients.map(each => each.answered() + more)
    while (clients.some((each, at) => each.answered() < until[at]!)) await pause(10)
  }
  await answered(20)
  for (const victim of await proxy.workers()) {
    process.kill(victim, 'SIGTERM')
    while ((await proxy.workers()).includes(victim)) await pause(10)
    await answered(20)
  }
  for (let n = 0; n < 2; n++) {
    await control.upgrade()
    await answered(50)
    t.same(await control.point({ ...onPorts(app, ports), release: n }), [])
  }
  for (const each of clients) t.same((await each.end()).lost, new Map())
})

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  t.test(`connections that wait when a worker gets ${signal} are answered, by it or the next`, async t => {
    const { ports, proxy } = await opened(t, 1)
    const [worker] = await proxy.workers()
    process.kill(worker!, 'SIGSTOP')
    const waiting = Object.values(ports).flatMap(port => Array.from({ length: 10 }, () => dial(port)))
    for (const { socket } of waiting) {
      await once(socket, 'connect')
      socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    }
    process.kill(worker!, signal)
    process.kill(worker!, 'SIGCONT')
    for (const each of waiting) t.match(await each.hears(/ok/), /200 OK.*ok/s)
  })
}

t.test('whoever has connected and not asked yet is answered by the worker that ends', async t => {
  const { ports, proxy } = await opened(t, 1)
  const all = [...Object.values(ports), proxy.port]
  const clients = [...all, proxy.httpsPort].map(port => dial(port))
  for (const { socket } of clients) await once(socket, 'connect')
  // A worker takes connections one after the other.
  for (const port of all) t.match(await ask(port, '/'), { body: 'ok' })
  const secure = clients.pop()!.socket
  const [worker] = await proxy.workers()
  process.kill(worker!, 'SIGTERM')
  await pause(800)
  const question = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
  for (const { socket } of clients) socket.write(question)
  for (const each of clients) t.match(await each.hears(/ok/), /200 OK.*ok/s)
  const shaken = tls.connect({ socket: secure, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  await once(shaken, 'secureConnect')
  // A worker that has nobody else to wait for would have ended by then.
  await pause(300)
  const client = speak(shaken.on('error', () => undefined))
  client.say(headers(1, get, flag.endStream))
  const heard = await client.hears(({ kind }) => kind === type.data)
  t.equal(heard === 'closed' ? heard : heard.payload.toString(), 'ok')
  shaken.destroy()
})

t.test('a port that another program has is told, and opened as soon as that lets go', async t => {
  const app = await backend(t, (_req, res) => res.end('ours'))
  const other = net.createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const http = (other.address() as AddressInfo).port
  const ports = { http, tcp: await freePort() }
  const proxy = await running(t)
  const control = proxy.edge()
  t.same(await control.point(onPorts(app, ports)), [http])
  await proxy.says(new RegExp(`Port ${http} is in use by another program`))
  other.close()
  await proxy.says(new RegExp(`port ${http} is open now`))
  // It was told to the workers as this was written down.
  const answer = async () => ask(http, '/').catch(() => undefined)
  let found = await answer()
  while (!found) found = await answer()
  t.match(found, { body: 'ours' })
  t.same(await control.point(onPorts(app, ports)), [])
})

t.test('a port that no route has any more is closed, and one that leads on otherwise is not', async t => {
  const { app, ports, control } = await opened(t, 2)
  const swapped = { http: ports.tcp, tcp: ports.http }
  t.same(await control.point(onPorts(app, swapped)), [], 'bytes where HTTP was')
  for (const port of Object.values(ports)) t.match(await ask(port, '/'), { body: 'ok' })
  const renamed = { ...onPorts(app, ports), app: 'other' as Route['app'] }
  await control.point(renamed)
  await control.forget('shop')
  for (const port of Object.values(ports)) t.match(await ask(port, '/'), { body: 'ok' })
  await control.forget('other')
  for (const port of Object.values(ports)) await t.rejects(ask(port, '/'), { code: 'ECONNREFUSED' })
  const free = net.createServer().listen(ports.http, '127.0.0.1')
  await once(free, 'listening')
  free.close()
})

t.test('a bytes’ way that is short ends by itself when its worker leaves', async t => {
  const { ports, proxy } = await opened(t, 1)
  const client = dial(ports.tcp)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await client.hears(/ok/)
  const [worker] = await proxy.workers()
  process.kill(worker!, 'SIGTERM')
  await pause(300)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
  t.match(await client.hears(/ok.*ok/s), /ok.*ok/s)
})
