import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import type http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { t } from 'tap'

import { megabyte, openDisk } from '../../scripts/chaos.d/disk.ts'
import { frame } from '../../src/edge/frames.ts'
import { wireVersion } from '../../src/edge/wire.ts'
import { plainEnv } from '../../src/settings.ts'
import { hashOf } from './hash.ts'
import { dataFolder, isAlive, running } from './running.ts'
import { ask, backend, dial, routeOf, routeTo } from './stage.ts'

t.jobs = 1

t.test('what is pointed is there for the very next request, on every worker', async t => {
  const one = await backend(t, (_req, res) => res.end('one'))
  const two = await backend(t, (_req, res) => res.end('two'))
  const { port, edge } = await running(t)
  const control = edge()
  const all = () => Promise.all(Array.from({ length: 12 }, () => ask(port, '/').then(({ body }) => body)))
  for (let n = 0; n < 5; n++) {
    await control.point(routeTo(one))
    t.same(new Set(await all()), new Set(['one']))
    await control.point(routeTo(two))
    t.same(new Set(await all()), new Set(['two']))
  }
  t.match(await control.stats(), { requests: 120, inFlight: 0 })
  await control.forget('shop')
  t.match(await ask(port, '/'), { status: 404 })
  await control.sync([routeOf('other', ['*.test'], [one])])
  t.match(await ask(port, '/'), { body: 'one' })
})

t.test('a proxy starts alone from its snapshot', async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.sync([routeOf('blog', ['blog.test'], [app])])
  await control.point(routeTo(app))
  for (const name of ['table.json', 'table.1.changes']) {
    t.equal((await stat(join(proxy.data, 'proxy', name))).mode & 0o777, 0o600)
  }
  t.equal((await stat(join(proxy.data, 'proxy/control.sock'))).mode & 0o777, 0o660)
  t.equal((await readFile(join(proxy.data, 'proxy/proxy.pid'), 'utf8')).trim(), String(proxy.pid()))
  await proxy.stop('SIGKILL')
  proxy.start()
  t.match(await ask(proxy.port, '/'), { body: 'here' })
  await proxy.edge().forget('shop')
  await proxy.stop('SIGKILL')
  proxy.start()
  t.match(await ask(proxy.port, '/'), { status: 404 })
})

t.test('whoever ends in order leaves one file, which programs before this one read too', async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  await proxy.stop()
  const names = (await readdir(join(proxy.data, 'proxy'))).filter(name => name.startsWith('table'))
  t.same(names, ['table.json'])
  const table = JSON.parse(await readFile(join(proxy.data, 'proxy/table.json'), 'utf8'))
  t.match(table, { version: 1, routes: [{ app: 'shop' }] })
})

t.test('hashes of passwords are sealed on the disk, and count after a restart', async t => {
  const app = await backend(t, (_req, res) => res.end('in'))
  const proxy = await running(t, { workers: 1 })
  const locked = { ...routeTo(app), auth: { realm: 'x', users: { ann: hashOf('s3cret') } } }
  const control = proxy.edge()
  await control.sync([locked])
  await control.point(locked)
  for (const name of ['table.json', 'table.1.changes']) {
    const text = await readFile(join(proxy.data, 'proxy', name), 'utf8')
    t.match(text, /sealedUsers/)
    t.notMatch(text, /scrypt|ann/)
  }
  const status = async (password: string) => {
    const authorization = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`
    return (await ask(proxy.port, '/', { headers: { authorization } })).status
  }
  await proxy.stop()
  proxy.start()
  t.same([await status('s3cret'), await status('wrong')], [200, 401])
  await proxy.stop()
  await writeFile(join(proxy.data, 'proxy/seal.key'), randomBytes(32), { mode: 0o600 })
  proxy.start()
  t.equal(await status('s3cret'), 404, 'with another key the table is set aside')
})

t.test('a table may leave some apps as they are', async t => {
  const one = await backend(t, (_req, res) => res.end('one'))
  const proxy = await running(t)
  const control = proxy.edge()
  const blog = routeOf('blog', ['blog.test'], [one])
  await control.sync([routeTo(one), blog])
  await control.sync([], [], undefined, ['shop', 'nobody'])
  t.match(await ask(proxy.port, '/'), { body: 'one' })
  t.match(await ask(proxy.port, '/', { host: 'blog.test' }), { status: 404 })
})

t.test('a table that is told again changes nothing; of another, what is different', async t => {
  const [one, two] = await Promise.all(['one', 'two'].map(each => backend(t, (_req, res) => res.end(each))))
  const proxy = await running(t)
  const control = proxy.edge()
  const routes = ['a', 'b', 'c'].map(app => routeOf(app, [`${app}.test`], [one!]))
  await control.sync(routes)
  const file = join(proxy.data, 'proxy/table.json')
  const written = (await stat(file)).ino
  await control.sync(routes)
  t.equal((await stat(file)).ino, written, 'it is not written again either')
  const moved = routeOf('b', ['b.test', 'a.test'], [two!])
  await control.sync([moved, routeOf('d', ['c.test'], [two!])], [], undefined, ['c'])
  const body = async (host: string) => {
    const { status, body } = await ask(proxy.port, '/', { host })
    return status === 200 ? body : status
  }
  const hosts = ['a.test', 'b.test', 'c.test', 'd.test']
  const all = await Promise.all([...hosts, ...hosts].map(body))
  t.same(all, ['two', 'two', 'two', 404, 'two', 'two', 'two', 404])
  await proxy.stop('SIGKILL')
  proxy.start()
  t.same(await body('a.test'), 'two')
})

t.test('whose word on clients counts is told, kept over restarts, and taken back', async t => {
  const app = await backend(t, (req, res) => res.end(String(req.headers['x-forwarded-for'])))
  const proxy = await running(t)
  const client = async () =>
    (await ask(proxy.port, '/', { headers: { 'x-forwarded-for': '192.0.2.7' } })).body
  const control = proxy.edge()
  await control.point(routeTo(app))
  t.equal(await client(), '127.0.0.1')
  await control.options({ trustedProxies: ['127.0.0.0/8'], proxyProtocol: false })
  t.equal(await client(), '192.0.2.7, 127.0.0.1')
  await proxy.stop('SIGKILL')
  proxy.start()
  t.equal(await client(), '192.0.2.7, 127.0.0.1')
  await control.sync([routeTo(app)])
  t.equal(await client(), '127.0.0.1')
})

t.test('a snapshot that cannot be read is set aside', async t => {
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().sync([])
  await proxy.stop()
  for (const text of ['', '{"version":1,"routes":[{}]}', '{"version":2}', 'null', '{"ver']) {
    await writeFile(join(proxy.data, 'proxy/table.json'), text)
    proxy.start()
    t.match(await ask(proxy.port, '/'), { status: 404 }, JSON.stringify(text))
    await proxy.stop()
  }
  const aside = (await readdir(join(proxy.data, 'proxy'))).filter(name => name.includes('.broken-'))
  t.equal(aside.length, 5)
})

t.test('a killed worker is replaced while requests go on', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { port, edge, workers } = await running(t)
  await edge().point(routeTo(app))
  const [victim] = await workers()
  process.kill(victim!, 'SIGKILL')
  // What the dead worker had accepted is lost; a new connection never is.
  while ((await workers()).includes(victim!)) await pause(1)
  for (let n = 0; n < 100; n++) t.match(await ask(port, '/'), { status: 200 })
  while ((await workers()).length < 2) await pause(10)
})

t.test('with every worker killed at once connections wait for the next', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { port, edge, workers } = await running(t)
  await edge().point(routeTo(app))
  for (const pid of await workers()) process.kill(pid, 'SIGKILL')
  t.match(await ask(port, '/'), { status: 200, body: 'ok' })
})

t.test('a worker that does not answer is replaced, and the change is acknowledged', async t => {
  const one = await backend(t, (_req, res) => res.end('one'))
  const two = await backend(t, (_req, res) => res.end('two'))
  const { port, edge, workers } = await running(t)
  const control = edge()
  await control.point(routeTo(one))
  while ((await control.stats()).workers < 2) await pause(10)
  const [stuck] = await workers()
  process.kill(stuck!, 'SIGSTOP')
  await control.point(routeTo(two))
  const bodies = await Promise.all(Array.from({ length: 8 }, () => ask(port, '/')))
  t.same(new Set(bodies.map(({ body }) => body)), new Set(['two']))
  t.notOk((await workers()).includes(stuck!))
})

t.test('a worker that is held up for a while is waited for, and keeps its requests', async t => {
  const one = await backend(t, (_req, res) => res.end('one'))
  const two = await backend(t, (_req, res) => res.end('two'))
  const { port, edge, workers } = await running(t)
  const control = edge()
  await control.point(routeTo(one))
  while ((await control.stats()).workers < 2) await pause(10)
  const before = await workers()
  process.kill(before[0]!, 'SIGSTOP')
  let acknowledged = false
  const pointed = control.point(routeTo(two)).then(() => {
    acknowledged = true
  })
  await pause(1_500)
  t.notOk(acknowledged, 'while one worker has not done it, nobody is told that it is done')
  process.kill(before[0]!, 'SIGCONT')
  await pointed
  const bodies = await Promise.all(Array.from({ length: 8 }, () => ask(port, '/')))
  t.same(new Set(bodies.map(({ body }) => body)), new Set(['two']))
  t.same(await workers(), before)
})

t.test('a drain waits for what is in flight, and for nothing else', async t => {
  const held: http.ServerResponse[] = []
  const old = await backend(t, (_req, res) => {
    res.write('begun ')
    held.push(res)
  })
  const next = await backend(t, (_req, res) => res.end('next'))
  const { port, edge } = await running(t)
  const control = edge()
  await control.point(routeTo(old))
  const clients = Array.from({ length: 6 }, () => dial(port))
  for (const { socket } of clients)
    socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
  await Promise.all(clients.map(client => client.hears(/begun/)))
  await control.point(routeTo(next))
  const drained = control.drain([`127.0.0.1:${old.port}`], { timeoutMs: 20_000 })
  t.equal(await control.drain([`127.0.0.1:${next.port}`], { timeoutMs: 20_000 }), 0)
  t.match(await ask(port, '/'), { body: 'next' })
  t.equal(await Promise.race([drained, control.stats().then(() => 'waiting')]), 'waiting')
  for (const res of held) res.end('done')
  t.equal(await drained, 0)
  await Promise.all(clients.map(({ closed }) => closed))
  for (const client of clients) t.match(client.heard(), /begun .*done/s)
})

t.test('a drain ends what is left when its time is over', async t => {
  const app = await backend(t, (_req, res) => void res.write('begun'))
  const { port, edge } = await running(t)
  const control = edge()
  await control.point(routeTo(app))
  const clients = Array.from({ length: 4 }, () => dial(port))
  for (const { socket } of clients) socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await Promise.all(clients.map(client => client.hears(/begun/)))
  t.equal(await control.drain([`127.0.0.1:${app.port}`], { timeoutMs: 50 }), 4)
  await Promise.all(clients.map(({ closed }) => closed))
})

t.test('SIGTERM finishes what is in flight', async t => {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (_req, res) => {
    res.write('begun ')
    held.push(res)
  })
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().point(routeTo(app))
  const client = dial(proxy.port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await client.hears(/begun/)
  const stopped = proxy.stop()
  await proxy.says(/the proxy ends: SIGTERM/)
  held[0]!.end('done')
  await stopped
  await client.closed
  t.match(client.heard(), /done/)
})

t.test('a worker that leaves still answers on connections it had just accepted', async t => {
  const app = await backend(t, (_req, res) => res.end('heard'))
  const { port, edge, workers } = await running(t, { workers: 1 })
  await edge().point(routeTo(app))
  const fresh = Array.from({ length: 20 }, () => dial(port))
  await Promise.all(fresh.map(({ socket }) => once(socket, 'connect')))
  // Accepted in order: once this one is answered, all before it have been.
  t.match(await ask(port, '/'), { body: 'heard' })
  const [pid] = await workers()
  process.kill(pid!, 'SIGTERM')
  for (const { socket } of fresh) {
    await pause(2)
    socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  }
  const heard = await Promise.all(fresh.map(each => each.hears(/heard/)))
  t.equal(heard.filter(each => each.endsWith('heard')).length, fresh.length)
})

t.test('workers of a killed proxy end too', async t => {
  const proxy = await running(t)
  await proxy.edge().sync([])
  const pids = await proxy.workers()
  await proxy.stop('SIGKILL')
  for (const pid of pids) while (await isAlive(pid)) await pause(10)
})

t.test('a second proxy with the same data does not start', async t => {
  const first = await running(t, { workers: 1 })
  await first.edge().sync([])
  const second = spawn(
    process.execPath,
    [join(import.meta.dirname, 'program.ts'), '--data', first.data, '--http-listen', '127.0.0.1:0'],
    { env: plainEnv(), stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let words = ''
  second.stderr.on('data', chunk => {
    words += chunk
  })
  const [code] = await once(second, 'close')
  t.equal(code, 1)
  t.match(words, /proxy-running/)
  await first.edge().stats()
})

t.test('whoever speaks nonsense on the control socket is cut off, and the proxy goes on', async t => {
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.sync([])
  const path = join(proxy.data, 'proxy/control.sock')
  const hello = frame({ id: 1, verb: 'hello', version: wireVersion })
  const nonsense: Record<string, Buffer> = {
    'a length beyond measure': Buffer.from([255, 255, 255, 255]),
    'no JSON': Buffer.from('\0\0\0\x01x'),
    'no hello': frame({ id: 1, verb: 'stats' }),
    'another version': frame({ id: 1, verb: 'hello', version: 99 }),
    'an unknown verb': Buffer.concat([hello, frame({ id: 2, verb: 'burn' })]),
    'a bad route': Buffer.concat([
      hello,
      frame({ id: 2, verb: 'point', route: { app: 'x', domains: [], upstreams: {} } }),
    ]),
    'a bad upstream': Buffer.concat([
      hello,
      frame({
        id: 2,
        verb: 'point',
        route: { app: 'x', domains: {}, upstreams: { a: { host: 'example.com', port: 1 } } },
      }),
    ]),
    'a bad domain': Buffer.concat([
      hello,
      frame({ id: 2, verb: 'point', route: { app: 'x', domains: { 'A b': true }, upstreams: {} } }),
    ]),
    'a bad timeout': Buffer.concat([hello, frame({ id: 2, verb: 'drain', upstreams: [], timeoutMs: -1 })]),
    'a null': Buffer.concat([hello, frame([])]),
  }
  for (const [name, bytes] of Object.entries(nonsense)) {
    const socket = net.connect(path)
    socket.on('error', () => {})
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
    t.pass(name)
  }
  t.match(await control.stats(), { workers: 1 })
})

t.test('a message that comes byte by byte is one message', async t => {
  const proxy = await running(t, { workers: 1 })
  await proxy.edge().sync([])
  const socket = net.connect(join(proxy.data, 'proxy/control.sock'))
  t.teardown(() => socket.destroy())
  for (const byte of frame({ id: 7, verb: 'hello', version: wireVersion })) {
    await new Promise(resolve => socket.write(Buffer.from([byte]), resolve))
  }
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.same(JSON.parse(answer.subarray(4).toString()), { id: 7, ok: true })
})

t.test('a data folder whose path is too long for a socket is refused in words', async t => {
  const folder = join(await dataFolder(t), 'a'.repeat(100))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'program.ts'), '--data', folder], {
    env: plainEnv(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [words] = (await once(child.stderr, 'data')) as [Buffer]
  t.match(words.toString(), /path-too-long/)
  await once(child, 'close')
})

t.test('a snapshot that cannot be written stops nothing, and is written once it can be', async t => {
  const [one, two] = await Promise.all(['one', 'two'].map(each => backend(t, (_req, res) => res.end(each))))
  const proxy = await running(t, { workers: 1 })
  const control = proxy.edge()
  await control.point(routeTo(one!))
  const inTheWay = ['table.2.changes', 'table.json.next'].map(name => join(proxy.data, 'proxy', name))
  await control.sync([{ ...routeTo(one!), release: 2 }])
  for (const each of inTheWay) await mkdir(each)
  await control.point(routeTo(two!))
  t.match(await ask(proxy.port, '/'), { body: 'two' })
  await proxy.says(/not on the disk, and is tried again: EISDIR/)
  for (const each of inTheWay) await rmdir(each)
  await proxy.says(/on the disk again/)
  await proxy.stop('SIGKILL')
  proxy.start()
  t.match(await ask(proxy.port, '/'), { body: 'two' })
})

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can mount a disk' }

t.test('what a full disk did not take is on it once there is room', asRoot, async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const data = await dataFolder(t)
  const disk = await openDisk(`${data}.disk`, data, 8 * megabyte)
  t.teardown(() => disk.close())
  const proxy = await running(t, { workers: 1, data })
  const control = proxy.edge()
  await control.sync([])
  await disk.fill()
  await control.sync([routeTo(app)], [], undefined)
  t.match(await ask(proxy.port, '/'), { body: 'here' })
  const output = await proxy.says(/not on the disk, and is tried again: ENOSPC/)
  t.equal(output.match(/not on the disk/g)?.length, 1, 'it is said once')
  await disk.empty()
  await proxy.says(/on the disk again/)
  await proxy.stop('SIGKILL')
  proxy.start()
  t.match(await ask(proxy.port, '/'), { body: 'here' })
})
