import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import { type Asked, isWebSocket, readRequest } from './asked.ts'
import { bareResponse } from './bare.ts'
import type { Noise } from './books.ts'
import type { Outcome } from './carry.ts'
import { farewellTo } from './farewell.ts'
import { answerPage, barePage, pages } from './pages.ts'
import type { NoPlace, Place } from './places.ts'
import { takeBack } from './preface.ts'
import { type Going, noPlace, type Parts, pageOf, passGates, refuse, serve, tell } from './serve.ts'
import type { Server2 } from './server2.ts'
import { Trip } from './trip.ts'
import type { Peer } from './visitor.ts'
import { peerOf, Visitor1 } from './visitor1.ts'
import { upgrade } from './websocket.ts'

/** Speaks HTTP/1.0 and 1.1 on whatever connections it is given, and hands each request on; those that begin in HTTP/2 it leaves to `http2`. */
export function makeServer(
  parts: Parts,
  scheme: 'http' | 'https' = 'http',
  http2?: Pick<Server2, 'take'>,
): http.Server {
  const { limits, report } = parts
  const lines = new WeakMap<Socket, Line>()
  const server = http.createServer({
    // A large cookie fits; all of a head's fields are seen, none silently dropped.
    maxHeaderSize: 32 * 1024,
    headersTimeout: limits.headMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(limits.headMs, 2000),
    keepAliveTimeout: limits.keepAliveMs,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
    // A request that says nothing of a body has none: nobody has to wait for its end.
    optimizeEmptyRequests: true,
    // A 101 must not overtake the answers to requests that were pipelined before it.
    shouldUpgradeCallback: req => {
      if (isWebSocket(req) && !(req.socket as Answering)._httpMessage) return true
      lineOf(req.socket).ignored = req
      return false
    },
  })
  server.maxHeadersCount = 0
  server.timeout = limits.streamIdleMs
  server.maxRequestsPerSocket = limits.requestsPerConnection

  function lineOf(socket: Socket): Line {
    const known = lines.get(socket)
    if (known) return known
    const line: Line = { peer: peerOf(socket), newest: undefined, ignored: undefined }
    lines.set(socket, line)
    return line
  }

  function onRequest(req: IncomingMessage, res: ServerResponse) {
    const line = lineOf(req.socket)
    // After an answer that is a connection's last nothing is done: its client will ask again, or has been refused.
    if (line.newest?.shouldKeepAlive === false || req.socket.writableEnded) return
    line.newest = res
    // Node says that this was the last, and would wait for another.
    const most = (res as Last).maxRequestsOnConnectionReached
    if (most || parts.leaving() || line.ignored === req || closesOld(req)) res.shouldKeepAlive = false
    try {
      serve(new Visitor1(req, res, scheme, line), parts)
    } catch (error) {
      report(error)
      res.destroy()
    }
  }

  async function onUpgrade(req: IncomingMessage, socket: Socket, head: Buffer) {
    socket.on('error', () => socket.destroy())
    socket.setTimeout(0)
    // Nothing is written by it until somebody has to be told something else than 101.
    let said: Visitor1 | undefined
    const visitor = () => {
      said ??= new Visitor1(req, bareResponse(req, socket), scheme)
      trip.visitor = said
      return said
    }
    const silent = silentVisitor(req, socket, scheme)
    const trip = new Trip(silent)
    socket.once('close', () => parts.note(trip))
    const asked = readRequest(silent, parts.trust())
    if ('why' in asked) return refuse(asked, visitor(), trip)
    trip.asked = asked
    const site = parts.find(asked.hostname)
    if (!site) return answerPage(visitor(), pages.unknownHost(asked.hostname), asked)
    parts.enter(trip, site)
    const verdict = await passGates({ asked, visitor: silent, site })
    const going = (): Going => ({ visitor: visitor(), asked, site, trip })
    if (socket.destroyed) return
    if (verdict) return tell(verdict, going())
    if (site.route.files !== undefined) return tell({ page: pages.onlyRead }, going())
    await join(asked, trip, { req, socket, head, going })
  }

  interface Joining {
    readonly req: IncomingMessage
    readonly socket: Socket
    readonly head: Buffer
    readonly going: () => Going
  }

  /** Tries one upstream, and a second when nothing was spent on the first. */
  async function join(asked: Asked, trip: Trip, joining: Joining): Promise<void> {
    const { req, socket, head, going } = joining
    const visitor = silentVisitor(req, socket, scheme)
    let tried: Place | undefined
    for (;;) {
      const site = parts.find(asked.hostname)
      if (!site) return answerPage(going().visitor, pages.unknownHost(asked.hostname), asked)
      const place = await new Promise<Place | NoPlace>(resolve => {
        parts.places.take({ visitor, asked, site: () => parts.find(asked.hostname), tried }, resolve)
        socket.once('close', () => resolve('late'))
      })
      if (typeof place === 'string') {
        if (!socket.destroyed) tell(noPlace(place, asked.hostname), going())
        return
      }
      const { upstream } = place.lane
      const farewell = farewellTo(socket)
      const done = parts.traffic.begin(upstream, { kind: 'websocket', end: farewell.say })
      trip.upstream = place.lane.name
      trip.release = place.release
      if (tried !== undefined) trip.retries++
      const switched = () => parts.switched(trip)
      const put = { limits: place.site.limits(limits), dress: place.site.dress, trip, switched }
      const outcome: Outcome = await upgrade(req, socket, asked, {
        upstream,
        head,
        farewell,
        ...put,
      }).finally(done)
      parts.places.leave(place, outcome)
      if (outcome === 'answered' || socket.destroyed) return
      if (outcome === 'again' && tried === undefined) tried = place
      else return tell({ page: pageOf(outcome) }, going())
    }
  }

  // Whoever terminates TLS has let the connection in already.
  if (scheme === 'http')
    server.on('connection', (socket: Socket) => parts.guard.admits(socket) || socket.destroy())
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    onUpgrade(req, socket, head).catch(error => {
      report(error)
      socket.destroy()
    })
  })
  server.on('connect', (req: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy())
    // Answers that are under way cannot be finished on a socket that Node has let go of.
    if ((socket as Answering)._httpMessage) return socket.destroy()
    const visitor = new Visitor1(req, bareResponse(req, socket), scheme)
    const trip = new Trip(visitor)
    visitor.onClose(() => parts.note(trip))
    const { id } = readRequest(visitor, parts.trust())
    refuse({ id, status: 405, why: 'CONNECT is not answered here.' }, visitor, trip)
  })
  server.on('clientError', (error, socket: Socket) => {
    // Only where nothing was asked before.
    if (http2 && !lineOf(socket).newest && takeBack(socket, error)) {
      http2.take(socket)
      // For the end of the connection, and not before what has come is read.
      return void setImmediate(() => socket.resume())
    }
    const refused = refuseBytes(error, socket, lineOf(socket).newest)
    if (refused) parts.noise(refused)
  })
  return server
}

/** A request that only the socket's end is the end of: nothing is answered through it. */
function silentVisitor(req: IncomingMessage, socket: Socket, scheme: 'http' | 'https'): Visitor1 {
  return new Visitor1(req, new http.ServerResponse(req), scheme, { ending: socket })
}

type Last = ServerResponse & { maxRequestsOnConnectionReached?: boolean }

type Answering = Socket & { _httpMessage?: ServerResponse }

/** What is known of a connection. */
interface Line {
  /** Asked for once: what a socket knows of it, it asks the kernel and OpenSSL. */
  readonly peer: Peer
  newest: ServerResponse | undefined
  /** Asked for an upgrade and does not get it. Bytes that came in one piece with it are lost to Node: it has to be the last. */
  ignored: IncomingMessage | undefined
}

/** Node takes `keep-alive, close` of HTTP/1.0 for the first. */
function closesOld({ httpVersionMinor, headers }: IncomingMessage): boolean {
  return httpVersionMinor === 0 && /\bclose\b/i.test(headers.connection ?? '')
}

/** Bytes that are no request. Answers to whole requests before them are finished; then the connection ends. */
function refuseBytes(
  error: NodeJS.ErrnoException,
  socket: Socket,
  answer: ServerResponse | undefined,
): Noise | undefined {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  if (answer && !answer.writableFinished) {
    // Its own body is what is broken.
    if (!answer.req.complete && !answer.writableEnded) return void socket.destroy()
    if (answer.shouldKeepAlive) answer.once('finish', () => socket.destroySoon())
    answer.shouldKeepAlive = false
    return
  }
  const [status, why] = faults[error.code ?? ''] ?? [400, 'It is not proper HTTP.']
  const { address } = peerOf(socket)
  socket.write(barePage(pages.refused(status, why)))
  socket.destroySoon()
  return { client: address, status, why }
}

const faults: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Its header fields are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'It took too long to arrive.'],
}
