import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'

import type { Test } from 'tap'

import { openBalance } from '../../src/proxy/balance.ts'
import type { Noise } from '../../src/proxy/books.ts'
import { openCertificates } from '../../src/proxy/certificates.ts'
import type { Secured } from '../../src/proxy/gates/https.ts'
import { openGuard } from '../../src/proxy/guard.ts'
import { type Limits, usualLimits } from '../../src/proxy/limits.ts'
import { behindOrigins, type Origins } from '../../src/proxy/origins.ts'
import { openPlaces } from '../../src/proxy/places.ts'
import { makeSecureServer } from '../../src/proxy/secure.ts'
import type { Parts } from '../../src/proxy/serve.ts'
import { makeServer } from '../../src/proxy/server.ts'
import { makeServer2 } from '../../src/proxy/server2.ts'
import { openTable } from '../../src/proxy/table.ts'
import { openTraffic } from '../../src/proxy/traffic.ts'
import type { Trip } from '../../src/proxy/trip.ts'
import { trusting } from '../../src/proxy/trust.ts'
import { openUpstreams } from '../../src/proxy/upstreams.ts'
import { selfSigned } from '../../src/self-signed.ts'
import type { AppName, Certificate, Route, Upstream } from '../../src/types.ts'

/** A route of app `shop` at shop.test to these upstreams. */
export function routeTo(...upstreams: Upstream[]): Route {
  return routeOf('shop', ['shop.test'], upstreams)
}

export function routeOf(app: string, domains: readonly string[], upstreams: readonly Upstream[]): Route {
  return {
    app: app as AppName,
    domains: Object.fromEntries(domains.map(domain => [domain, true as const])),
    upstreams: Object.fromEntries(upstreams.map((upstream, at) => [`${app}.web.${at + 1}`, upstream])),
  }
}

/** A real Node server as an app. */
export async function backend(t: Test, listener: RequestListener) {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** A backend of bare sockets: `speak` gets each connection and everything it said so far, at each chunk. */
export async function bareBackend(t: Test, speak: (socket: Socket, said: string) => void) {
  const connections: { socket: Socket; said: string }[] = []
  const ears = new EventEmitter()
  const server = net.createServer(socket => {
    const connection = { socket, said: '' }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      connection.said += chunk.toString('latin1')
      ears.emit('data')
      speak(socket, connection.said)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const { socket } of connections) socket.destroy()
  })
  const said = () => connections.map(connection => connection.said).join('')
  const heard = async (pattern: RegExp) => {
    while (!pattern.test(said())) await once(ears, 'data')
  }
  return { server, connections, said, heard, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** One worker's server in this process, on a port of its own. */
export async function stage(
  t: Test,
  routes: readonly Route[],
  limits: Partial<Limits> = {},
  proxies: readonly string[] = [],
  secured?: Secured,
  origins?: Origins,
) {
  const all = { ...usualLimits, ...limits }
  const traffic = openTraffic()
  const upstreams = openUpstreams()
  const guard = openGuard(all)
  const bugs: unknown[] = []
  const trips: Trip[] = []
  const over = new EventEmitter()
  const noises: Noise[] = []
  const ejected: unknown[] = []
  const places = openPlaces(openBalance(), { ejected: (...each) => ejected.push(each) })
  const table = openTable(routes, secured)
  const trust = trusting(proxies, origins)
  const parts: Parts = {
    find: table.find,
    upstreams,
    places,
    guard,
    traffic,
    limits: all,
    trust: () => trust,
    leaving: () => false,
    enter: (trip, { route }) => {
      trip.app = route.app
      trip.release = route.release
    },
    note: trip => {
      trips.push(trip)
      over.emit('trip')
    },
    switched: trip => {
      trip.webSocket = true
    },
    noise: noise => noises.push(noise),
    report: error => bugs.push(error),
  }
  const plain2 = makeServer2(parts, 'http')
  const plain1 = makeServer(parts, 'http', plain2)
  const server = behindOrigins(plain1, origins ?? { take: (_socket, then) => then() })
  const port = await listening(server)
  t.teardown(() => {
    server.close()
    plain1.cut()
    void plain2.end()
    upstreams.close()
    guard.stop()
    if (bugs.length > 0) throw bugs[0]
  })
  return {
    port,
    parts,
    traffic,
    upstreams,
    places,
    trips,
    /** Resolves when so many requests are over. */
    tripped: async (count: number) => {
      while (trips.length < count) await once(over, 'trip')
      return trips as [Trip, ...Trip[]]
    },
    noises,
    ejected,
    server,
    point: (...next: Route[]) => {
      table.sync(next)
      for (const { app } of next) places.changed(app)
    },
    ask: (path: string, options: Asking = {}) => ask(port, path, options),
    raw: (bytes: string) => raw(port, bytes),
  }
}

/** The same with TLS in front, and the certificates that it has. */
export async function secureStage(
  t: Test,
  routes: readonly Route[],
  {
    limits = {},
    certificates = [],
    proxies = [],
    origins,
  }: {
    limits?: Partial<Limits>
    certificates?: readonly Certificate[]
    proxies?: readonly string[]
    origins?: Origins
  } = {},
) {
  const held = openCertificates(certificates)
  let httpsPort = 0
  const plain = await stage(t, routes, limits, proxies, { has: held.has, port: () => httpsPort }, origins)
  const { parts } = plain
  const http1 = makeServer(parts, 'https')
  const http2 = makeServer2(parts)
  const secure = makeSecureServer({
    origins: origins ?? { take: (_socket, then) => then() },
    ...{ certificates: held, http1, http2 },
    ...{ guard: parts.guard, limits: parts.limits, report: parts.report },
    fallback: await selfSigned(['no-certificate.invalid'], { days: 2 }),
    ticketKeys: randomBytes(48),
  })
  httpsPort = await listening(secure.server)
  t.teardown(async () => {
    secure.server.close()
    http1.cut()
    await http2.end()
  })
  return { ...plain, certificates: held, secure, http2, httpsPort }
}

/** A port of the host that nobody has just now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export interface Asking {
  readonly method?: string
  readonly host?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly agent?: http.Agent
}

export interface Told {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly raw: readonly string[]
  readonly body: string
}

/** One request, on a connection of its own unless an agent is given. */
export async function ask(
  port: number,
  path: string,
  { host = 'shop.test', headers, body, method = 'GET', agent }: Asking = {},
): Promise<Told> {
  const req = http.request({
    port,
    host: '127.0.0.1',
    path,
    method,
    agent: agent ?? false,
    headers: { host, ...headers },
  })
  req.end(body)
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  // An answer may come before all of the body has been sent, and that be in vain.
  req.on('error', () => undefined)
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk)
  return {
    status: res.statusCode!,
    headers: res.headers,
    raw: res.rawHeaders,
    body: Buffer.concat(chunks).toString('latin1'),
  }
}

/** A client of bare sockets: what it hears, as it comes. */
export function dial(port: number) {
  const socket = net.connect(port, '127.0.0.1')
  let heard = ''
  socket.on('error', () => {})
  socket.on('data', chunk => {
    heard += chunk.toString('latin1')
  })
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  return {
    socket,
    closed,
    heard: () => heard,
    /** Resolves when what was heard matches, or the connection has closed. */
    async hears(pattern: RegExp): Promise<string> {
      while (!pattern.test(heard) && !socket.closed) await Promise.race([once(socket, 'data'), closed])
      return heard
    },
  }
}

/** Sends bytes and hears everything until the proxy closes; ask for `Connection: close`. */
export async function raw(port: number, bytes: string): Promise<string> {
  const client = dial(port)
  client.socket.write(Buffer.from(bytes, 'latin1'))
  await client.closed
  return client.heard()
}
