import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import type { Route, Upstream } from '../types.ts'
import { type Asked, isWebSocket, readRequest } from './asked.ts'
import { bareResponse } from './bare.ts'
import { serveFiles } from './files.ts'
import type { Forward, Outcome } from './forward.ts'
import type { Limits } from './limits.ts'
import { answerPage, barePage, type Page, pages } from './pages.ts'
import { nameOf, type Traffic } from './traffic.ts'

export interface Parts {
  /** Asked anew for every request. */
  readonly find: (hostname: string) => Route | undefined
  readonly forward: Forward
  readonly traffic: Traffic
  readonly limits: Limits
  /** A bug: the client of that moment pays for it, nobody else. */
  readonly report: (error: unknown) => void
}

/** The HTTP server of one worker: reads a request, finds its route, chooses an upstream, answers a page where there is none. */
export function makeServer({ find, forward, traffic, limits, report }: Parts): http.Server {
  const answering = new WeakMap<Socket, number>()
  const turns = new Map<string, number>()
  const server = http.createServer({
    // A large cookie fits; all of a head's fields are seen, none silently dropped.
    maxHeaderSize: 32 * 1024,
    headersTimeout: limits.headMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(limits.headMs, 5000),
    keepAliveTimeout: limits.keepAliveMs,
    insecureHTTPParser: false,
    requireHostHeader: false,
    noDelay: true,
    // A 101 must not overtake the answers to requests that were pipelined before it.
    shouldUpgradeCallback: req => isWebSocket(req) && !answering.get(req.socket),
  })
  server.maxHeadersCount = 0
  server.timeout = limits.bodyIdleMs

  async function onRequest(req: IncomingMessage, res: ServerResponse) {
    const { socket } = req
    answering.set(socket, (answering.get(socket) ?? 0) + 1)
    res.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1))
    req.once('end', () => socket.setTimeout(limits.streamIdleMs))
    if (!server.listening) res.shouldKeepAlive = false

    const asked = readRequest(req, 'http')
    // At once: the parser may find fault with the same request before the next tick.
    if ('why' in asked) return answerPage(res, pages.refused(asked.status, asked.why), asked.id)
    const exchange = { kind: 'request', end: () => res.destroy() } as const
    const files = find(asked.hostname)?.files
    const outcome =
      files === undefined
        ? await lead(asked, (ready, upstream, fresh) => {
            const done = traffic.begin(upstream, exchange)
            return forward.request(req, res, ready, { upstream, fresh }).finally(done)
          })
        : await serveFiles(files, { req, res, asked }).finally(
            traffic.begin({ host: files, port: 0 }, exchange),
          )
    if (outcome !== 'answered' && !res.destroyed) answerPage(res, outcome, asked.id)
  }

  async function onUpgrade(req: IncomingMessage, socket: Socket, head: Buffer) {
    socket.on('error', () => socket.destroy())
    socket.setTimeout(0)
    const asked = readRequest(req, 'http')
    if ('why' in asked) {
      return answerPage(bareResponse(req, socket), pages.refused(asked.status, asked.why), asked.id)
    }
    if (find(asked.hostname)?.files !== undefined)
      return answerPage(bareResponse(req, socket), pages.onlyRead, asked.id)
    const outcome = await lead(asked, (ready, upstream, fresh) => {
      const done = traffic.begin(upstream, { kind: 'websocket', end: () => socket.destroy() })
      return forward.upgrade(req, socket, ready, { upstream, fresh, head }).finally(done)
    })
    if (outcome !== 'answered' && !socket.destroyed) answerPage(bareResponse(req, socket), outcome, asked.id)
  }

  type Attempt = (asked: Asked, upstream: Upstream, fresh: boolean) => Promise<Outcome>

  /** From what was asked to the app, or to the page that says why not. */
  async function lead(asked: Asked, attempt: Attempt): Promise<'answered' | Page> {
    let tried: Upstream | undefined
    for (;;) {
      const route = find(asked.hostname)
      if (!route) return pages.unknownHost(asked.hostname)
      const upstream = choose(route, tried)
      if (!upstream) return pages.stopped
      const outcome = await attempt(asked, upstream, tried !== undefined)
      if (outcome === 'answered') return outcome
      if (outcome === 'slow') return pages.slow
      if (outcome === 'unreachable' || tried) return pages.unreachable
      tried = upstream
    }
  }

  /** The least busy; among equals, in turn. One that has just failed is asked again only when it is the only one. */
  function choose(route: Route, tried: Upstream | undefined): Upstream | undefined {
    const all = Object.values(route.upstreams)
    const others = tried ? all.filter(upstream => nameOf(upstream) !== nameOf(tried)) : all
    const candidates = others.length > 0 ? others : all
    const turn = (turns.get(route.app) ?? -1) + 1
    turns.set(route.app, turn)
    let best: Upstream | undefined
    for (let at = 0; at < candidates.length; at++) {
      const next = candidates[(turn + at) % candidates.length]!
      if (!best || traffic.outstanding(next) < traffic.outstanding(best)) best = next
    }
    return best
  }

  const guarded = (req: IncomingMessage, res: ServerResponse) =>
    void onRequest(req, res).catch(error => {
      report(error)
      res.destroy()
    })
  server.on('request', guarded)
  server.on('checkContinue', guarded)
  server.on('checkExpectation', guarded)
  server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
    onUpgrade(req, socket, head).catch(error => {
      report(error)
      socket.destroy()
    })
  })
  server.on('connect', (req: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy())
    const asked = readRequest(req, 'http')
    answerPage(bareResponse(req, socket), pages.refused(405, 'CONNECT is not answered here.'), asked.id)
  })
  server.on('clientError', refuseBytes)
  return server
}

type Answering = Socket & { _httpMessage?: ServerResponse }

/** Bytes that are no request. While an answer is under way on the connection, it just ends. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Answering) {
  const under = socket._httpMessage
  if (under?.writableEnded) return socket.destroySoon()
  if (error.code === 'ECONNRESET' || !socket.writable || under) return socket.destroy()
  const [status, why] = faults[error.code ?? ''] ?? [400, 'It is not proper HTTP.']
  socket.write(barePage(pages.refused(status, why)))
  socket.destroySoon()
}

const faults: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Its header fields are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'It took too long to arrive.'],
}
