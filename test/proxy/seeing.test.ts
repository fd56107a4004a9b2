import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type net from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { t } from 'tap'

import { running } from './running.ts'
import { ask, backend, bareBackend, dial, freePort, routeOf, routeTo } from './stage.ts'

t.jobs = 1

type Proxy = Awaited<ReturnType<typeof running>>

/** Lines of a log once there are so many, or once one fits. */
async function linesOf(proxy: Proxy, path: string, fits: (lines: readonly string[]) => boolean) {
  for (;;) {
    const text = await readFile(join(proxy.data, 'proxy/logs', path), 'utf8').catch(() => '')
    const lines = text.split('\n').slice(0, -1)
    if (fits(lines)) return lines.map(line => JSON.parse(line))
    await pause(10)
  }
}

const logsOf = (proxy: Proxy) => readdir(join(proxy.data, 'proxy/logs')).catch(() => [])

t.test('every request of every worker is in its app’s log, whole and once', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t)
  const control = proxy.edge()
  await control.point({ ...routeTo(app), release: 3 })
  await control.point(routeOf('blog', ['blog.test'], [app]))
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        ask(proxy.port, `/${round}/${at}`, { host: at % 4 === 0 ? 'blog.test' : 'shop.test' }),
      ),
    )
  }
  const shop = await linesOf(proxy, 'shop/access.log', lines => lines.length >= 150)
  const blog = await linesOf(proxy, 'blog/access.log', lines => lines.length >= 50)
  t.equal(new Set(shop.map(({ path }) => path)).size, 150)
  t.equal(new Set(blog.map(({ path }) => path)).size, 50)
  t.match(shop[0], { app: 'shop', release: 3, status: 200, upstream: `127.0.0.1:${app.port}` })
  const modeOf = async (name: string) => (await stat(join(proxy.data, 'proxy/logs', name))).mode & 0o777
  t.equal(await modeOf('shop'), 0o750)
  t.equal(await modeOf('shop/access.log'), 0o640)
})

t.test('what reached no app is in the host’s own log, with the reason for what was refused', async t => {
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().sync([])
  await ask(proxy.port, '/wp-login.php', { host: 'nobody.test' })
  const client = dial(proxy.port)
  client.socket.write('GET / HTTP/1.1\r\nHost: a b\r\n\r\n')
  await client.closed
  const noise = dial(proxy.port)
  noise.socket.write('SSH-2.0-x\r\n')
  await noise.closed
  const access = await linesOf(proxy, '_host/access.log', lines => lines.length >= 2)
  t.match(access[0], { status: 404, host: 'nobody.test', path: '/wp-login.php', app: undefined })
  t.match(access[1], { status: 400, host: 'a b' })
  const errors = await linesOf(proxy, '_host/error.log', lines => lines.length >= 2)
  t.match(errors[0], { status: 400, why: 'The request names no host.', client: '127.0.0.1' })
  t.match(errors[1], { status: 400, why: 'It is not proper HTTP.', client: '127.0.0.1' })
})

t.test('an upstream that is set aside is told in its app’s error log', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const gone = await backend(t, () => undefined)
  gone.server.close()
  await once(gone.server, 'close')
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app, gone))
  for (let n = 0; n < 12; n++) t.match(await ask(proxy.port, '/'), { status: 200 })
  const errors = await linesOf(proxy, 'shop/error.log', lines => lines.length >= 4)
  const upstream = `127.0.0.1:${gone.port}`
  t.match(errors.slice(0, 3), [
    { upstream, status: 200, why: 'refused the connection' },
    { upstream },
    { upstream },
  ])
  t.match(
    errors.find(({ why }) => /set aside/.test(why)),
    { app: 'shop', upstream, why: 'is set aside for 1 s, it failed again and again' },
  )
})

t.test('a WebSocket is one line, when it ends, with the bytes of both ways', async t => {
  const app = await backend(t, () => undefined)
  app.server.on('upgrade', (_req, socket: net.Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.on('data', () => socket.end('1234567'))
  })
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  const client = dial(proxy.port)
  const upgrade =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n'
  client.socket.write(`GET /live HTTP/1.1\r\nHost: shop.test\r\n${upgrade}\r\n`)
  const head = await client.hears(/\r\n\r\n/)
  client.socket.write('hello')
  await client.closed
  const [line] = await linesOf(proxy, 'shop/access.log', lines => lines.length >= 1)
  t.match(line, { status: 101, path: '/live', bytes_in: 5 })
  t.ok(line.bytes_out >= 7 && line.bytes_out <= head.length + 7, String(line.bytes_out))
})

t.test('a log goes with its app: to another name, and away', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t)
  const control = proxy.edge()
  await control.point(routeTo(app))
  await Promise.all(Array.from({ length: 10 }, () => ask(proxy.port, '/before')))
  await linesOf(proxy, 'shop/access.log', lines => lines.length >= 10)
  // As a renaming does it.
  await control.rename('shop', 'store')
  await control.point(routeOf('store', ['shop.test'], [app]))
  await control.forget('shop')
  await Promise.all(Array.from({ length: 10 }, () => ask(proxy.port, '/after')))
  const lines = await linesOf(proxy, 'store/access.log', each => each.length >= 20)
  t.equal(lines.filter(({ path }) => path === '/before').length, 10)
  t.same(await logsOf(proxy), ['store'])
  const held = await Promise.all(Array.from({ length: 4 }, () => ask(proxy.port, '/last')))
  t.equal(held.length, 4)
  await control.forget('store')
  while ((await logsOf(proxy)).length > 0) await pause(10)
})

t.test('requests that are under way when their app goes write nothing any more', async t => {
  const asked = Promise.withResolvers<void>()
  let answer = () => {}
  const app = await backend(t, (_req, res) => {
    answer = () => void res.end('late')
    asked.resolve()
  })
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point(routeTo(app))
  const late = ask(proxy.port, '/')
  await asked.promise
  await control.forget('shop')
  answer()
  t.match(await late, { body: 'late' })
  await proxy.stop()
  t.same(await logsOf(proxy), [])
})

t.test('a route says how requests are written down, or that they are not', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point({ ...routeTo(app), log: 'off' })
  await ask(proxy.port, '/unseen')
  await control.point({ ...routeTo(app), log: 'combined' })
  await ask(proxy.port, '/seen', { headers: { 'user-agent': 'curl/8' } })
  await proxy.stop()
  const text = await readFile(join(proxy.data, 'proxy/logs/shop/access.log'), 'utf8')
  t.match(
    text,
    /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/seen HTTP\/1\.1" 200 2 "-" "curl\/8"\n$/,
  )
})

t.test('a proxy that ends writes down what it has seen', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t)
  await proxy.edge().point(routeTo(app))
  await Promise.all(Array.from({ length: 20 }, () => ask(proxy.port, '/')))
  await proxy.stop()
  t.equal((await linesOf(proxy, 'shop/access.log', () => true)).length, 20)
})

t.test('with logs that cannot be written requests go on as ever, and the proxy says so once', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  await mkdir(join(proxy.data, 'proxy/logs'))
  await writeFile(join(proxy.data, 'proxy/logs/shop'), 'in the way')
  for (let n = 0; n < 20; n++) t.match(await ask(proxy.port, '/'), { status: 200 })
  await proxy.says(/shop\/access\.log is not written, lines are dropped: ENOTDIR/)
})

t.test('connections to a tcp port are in the log of their app, with what they carried', async t => {
  const app = await bareBackend(t, socket => socket.end('heard'))
  const proxy = await running(t)
  const port = await freePort()
  const upstreams = { 'shop.web.1': { host: '127.0.0.1', port: app.port } }
  t.same(
    await proxy.edge().point({
      ...routeTo(app),
      ...{ release: 3, ports: { [port]: { scheme: 'tcp' as const, upstreams } } },
    }),
    [],
  )
  for (let n = 0; n < 5; n++) {
    const client = dial(port)
    client.socket.write('hello')
    await client.closed
  }
  const lines = await linesOf(proxy, 'shop/access.log', lines => lines.length >= 5)
  t.match(
    lines,
    Array.from({ length: 5 }, () => ({
      ...{ app: 'shop', release: 3, client: '127.0.0.1', scheme: 'tcp', host_port: port },
      ...{ upstream: `127.0.0.1:${app.port}`, bytes_in: 5, bytes_out: 5, total_ms: Number },
    })),
  )
})

t.test('with a disk that hangs requests go on as ever', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  const path = join(proxy.data, 'proxy/logs/shop/access.log')
  await mkdir(dirname(path), { recursive: true })
  // Opening it waits for somebody who reads.
  await promisify(execFile)('mkfifo', [path])
  for (let n = 0; n < 50; n++) {
    t.match(await ask(proxy.port, `/${n}`), { status: 200 })
    await pause(10)
  }
  const reader = await open(path, 'r')
  t.teardown(() => reader.close())
  const block = Buffer.alloc(65_536)
  let heard = ''
  while (!heard.includes('"/49"')) heard += block.toString('latin1', 0, (await reader.read(block)).bytesRead)
  t.equal(heard.split('\n').length - 1, 50)
})
