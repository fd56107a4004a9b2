import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

import * as grpc from '@grpc/grpc-js'
import { t } from 'tap'

import { openSocket } from '../../src/listen.ts'
import { openBalance } from '../../src/proxy/balance.ts'
import type { Carried } from '../../src/proxy/books.ts'
import { behindOrigins, type Origins, openOrigins } from '../../src/proxy/origins.ts'
import { openPorts } from '../../src/proxy/ports.ts'
import { makeServer } from '../../src/proxy/server.ts'
import { makeServer2 } from '../../src/proxy/server2.ts'
import type { Route, RoutePort } from '../../src/types.ts'
import { asked, Client, grpcBackend } from './calls.ts'
import { ask, backend, bareBackend, dial, freePort, routeTo, stage } from './stage.ts'

const direct: Origins = { take: (_socket, then) => then(), find: () => undefined }

async function opened(t: Parameters<typeof stage>[0], origins = direct) {
  const { parts, traffic } = await stage(t, [])
  const carried: Carried[] = []
  const call = async (port: number) => {
    try {
      return openSocket({ host: '127.0.0.1', port }, { flag: 'port' }).handle
    } catch {
      return undefined
    }
  }
  const ports = openPorts({
    ...{
      sockets: { call, onOffer: () => undefined },
      parts,
      origins,
      balance: openBalance(),
      carrying: () => each => void carried.push(each),
    },
    serve: of =>
      behindOrigins(makeServer(of, 'http', makeServer2(of, 'http')), { take: (_socket, then) => then() }),
  })
  t.teardown(() => ports.close())
  return { ports, traffic, carried }
}

const leading = (port: number, scheme: RoutePort['scheme'], app: { host: string; port: number }): Route => ({
  ...routeTo(),
  ports: { [port]: { scheme, upstreams: { a: { host: app.host, port: app.port } } } },
})

t.test('a port of the host leads to its app by HTTP, whatever hostname is asked for', async t => {
  const one = await backend(t, (req, res) => res.end(`one ${req.headers.host}`))
  const two = await backend(t, (_req, res) => res.end('two'))
  const { ports } = await opened(t)
  const port = await freePort()
  t.same(await ports.point(leading(port, 'http', one)), [])
  t.match(await ask(port, '/', { host: 'any.test' }), { status: 200, body: 'one any.test' })
  t.same(await ports.point(leading(port, 'http', two)), [])
  t.match(await ask(port, '/'), { body: 'two' }, 'and to another upstream with the route')
  t.same(await ports.point(routeTo()), [])
  await t.rejects(ask(port, '/'), { code: 'ECONNREFUSED' })
})

t.test('a grpc port leads to an app in HTTP/2, whatever the app’s hostnames lead to', async t => {
  const app = await grpcBackend(t, {
    Once: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
      done(null, call.request),
  })
  const web = await backend(t, (req, res) => res.end(req.httpVersion))
  const { ports } = await opened(t)
  const [port, plain] = [await freePort(), await freePort()]
  const both = { ...leading(port, 'grpc', app), protocol: 'grpc' } as const
  t.same(await ports.point({ ...both, ports: { ...both.ports, ...leading(plain, 'http', web).ports } }), [])
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
  })
  t.teardown(() => client.close())
  t.match(await asked(client, 'Once', Buffer.from('x')), { code: 0, messages: [Buffer.from('x')] })
  t.match(await ask(plain, '/'), { body: '1.1' })
})

t.test('bytes pass as they are on a tcp port, both ways and half closed', async t => {
  const app = net.createServer({ allowHalfOpen: true }, socket => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => socket.end(`heard ${Buffer.concat(chunks).length}`))
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.teardown(() => app.close())
  const { ports, traffic, carried } = await opened(t)
  const port = await freePort()
  const at = { host: '127.0.0.1', port: (app.address() as AddressInfo).port }
  t.same(await ports.point(leading(port, 'tcp', at)), [])
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  client.end(Buffer.alloc(3_000_000, 'x'))
  let heard = ''
  for await (const chunk of client) heard += chunk
  t.equal(heard, 'heard 3000000')
  const open = dial(port)
  await once(open.socket, 'connect')
  while (traffic.stats().inFlight === 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(await traffic.drain([`127.0.0.1:${at.port}`], { timeoutMs: 10, websocketMs: 10 }), 1)
  await open.closed
  while (carried.length < 2) await new Promise(resolve => setImmediate(resolve))
  const upstream = `127.0.0.1:${at.port}`
  const facts = { port, client: '127.0.0.1', upstream, ms: Number }
  t.match(carried, [
    { ...facts, received: 3_000_000, sent: 13 },
    { ...facts, received: 0, sent: 0 },
  ])
  t.notMatch(carried, [{ why: String }])
})

t.test('what a trusted proxy says of a client does not reach an app, and counts', async t => {
  const app = await bareBackend(t, (socket, said) => socket.write(`heard ${said}`))
  const { ports, carried } = await opened(t, openOrigins({ proxied: () => true, timeoutMs: 1_000 }))
  const port = await freePort()
  for (const [allow, heard] of [
    ['192.0.2.0/24', 'heard hello'],
    ['127.0.0.1', ''],
  ] as const) {
    t.same(await ports.point({ ...leading(port, 'tcp', app), lists: { allow: { [allow]: true } } }), [])
    const client = dial(port)
    client.socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nhello')
    t.equal(await client.hears(/hello/), heard)
    client.socket.destroy()
    while (carried.length === 0) await new Promise(resolve => setImmediate(resolve))
    t.match(carried.splice(0), [
      { client: '192.0.2.1', received: 5, why: heard ? undefined : 'may not come from there' },
    ])
  }
  const silent = dial(port)
  silent.socket.write('hello, I am direct\r\n')
  await silent.closed
  t.equal(silent.heard(), '')
})

t.test('who may not come to an app may not come to its tcp ports either', async t => {
  const app = await bareBackend(t, socket => socket.write('in'))
  const { ports, carried } = await opened(t)
  const port = await freePort()
  for (const [lists, heard] of [
    [{ deny: { '127.0.0.0/8': true } }, ''],
    [{ allow: { '10.0.0.0/8': true } }, ''],
    [{ allow: { '127.0.0.1': true } }, 'in'],
  ] as const) {
    t.same(await ports.point({ ...leading(port, 'tcp', app), lists }), [])
    const client = dial(port)
    client.socket.write('hello')
    t.equal(await client.hears(/in/), heard)
    client.socket.destroy()
    while (carried.length === 0) await new Promise(resolve => setImmediate(resolve))
    t.equal(carried.splice(0)[0]?.why, heard ? undefined : 'may not come from there')
  }
  t.equal(app.connections.length, 1)
})

t.test(
  'an app that is not there ends the connection, and a port that another program has is told',
  async t => {
    const { ports, carried } = await opened(t)
    const gone = await freePort()
    const port = await freePort()
    t.same(await ports.point(leading(port, 'tcp', { host: '127.0.0.1', port: gone })), [])
    await dial(port).closed
    while (carried.length < 1) await new Promise(resolve => setImmediate(resolve))
    t.match(carried, [{ why: 'could not be reached', upstream: `127.0.0.1:${gone}` }])
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const taken = (other.address() as AddressInfo).port
    t.same(await ports.sync([leading(taken, 'http', { host: '127.0.0.1', port: gone })]), [taken])
    await t.rejects(ask(port, '/'), { code: /ECONNREFUSED/ }, 'what is in no route is closed')
  },
)
