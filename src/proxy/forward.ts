import http, { type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type net from 'node:net'
import type { Socket } from 'node:net'

import httpProxy from 'http-proxy'

import type { Upstream } from '../types.ts'
import { cut, earlyHints, passAnswer } from './answer.ts'
import type { Asked } from './asked.ts'
import { grouped, trailerFields } from './fields.ts'
import type { Limits } from './limits.ts'
import { carrier, couple, dial } from './websocket.ts'

/**
 * answered: the client has its answer, is gone, or its answer was cut · again: nothing is spent, another may be asked ·
 * unreachable, slow: nothing has been answered, and nothing more will be tried.
 */
export type Outcome = 'answered' | 'again' | 'unreachable' | 'slow'

/** Carries requests to upstreams, and their answers back: the only place that speaks to an upstream. */
export interface Forward {
  /** `fresh`: on a new connection, not on a kept one. */
  request(req: IncomingMessage, res: ServerResponse, asked: Asked, to: Target): Promise<Outcome>
  /** Passes a WebSocket through until either side ends it. */
  upgrade(req: IncomingMessage, socket: Socket, asked: Asked, to: Target & { head: Buffer }): Promise<Outcome>
  /** Ends the kept connections to an upstream that is no longer asked. */
  release(upstream: string): void
  close(): void
}

export interface Target {
  readonly upstream: Upstream
  readonly fresh: boolean
}

/** http-proxy makes the connections and pumps WebSockets; heads, framing, bodies and failures are ours. */
export function openForward(limits: Limits): Forward {
  const keeping = new http.Agent({ keepAlive: true })
  const fresh = new http.Agent({ keepAlive: false })
  const proxy = httpProxy.createProxyServer({ selfHandleResponse: true, ignorePath: true })
  proxy.on('proxyReqWs', (outgoing, _req, _socket, options) => before(options, outgoing))

  return {
    request: (req, res, asked, to) =>
      new Promise(resolve => {
        req.headers = {}
        proxy.web(
          req,
          res,
          { target: targetOf(to), agent: to.fresh ? fresh : keeping, buffer: hook(carry) },
          nothing,
        )
        function carry(outgoing: ClientRequest) {
          if (!writeHead(outgoing, asked)) resolve('unreachable')
          else exchange(outgoing, { req, res, asked, limits, resolve })
        }
      }),

    async upgrade(req, socket, asked, to) {
      const connection = await dial(to.upstream, limits.connectMs)
      if (!connection) return 'again'
      return new Promise(resolve => {
        let outgoing: ClientRequest | undefined
        const agent = carrier(connection) as http.Agent
        const buffer = hook(made => {
          outgoing = writeHead(made, asked, ['Connection', 'Upgrade', 'Upgrade', 'websocket'])
            ? made
            : undefined
        })
        req.headers = { upgrade: 'websocket', connection: 'Upgrade' }
        proxy.ws(req, socket, to.head, { target: targetOf(to), agent, buffer }, nothing)
        if (!outgoing) return resolve('unreachable')
        couple(outgoing, { req, socket, connection, asked, limits, resolve })
      })
    },

    release: name => {
      for (const socket of keeping.freeSockets[`${name}:`] ?? []) socket.destroy()
    },
    close: () => {
      keeping.destroy()
      fresh.destroy()
    },
  }
}

function nothing() {}

const targetOf = ({ upstream: { host, port } }: Target) => ({ protocol: 'http:', host, port: String(port) })

/** http-proxy pipes `buffer` into the request it has made: the moment when nothing has been sent yet. */
function hook(carry: (outgoing: ClientRequest) => void): net.Socket {
  return { pipe: carry } as unknown as net.Socket
}

function before(options: httpProxy.ServerOptions, outgoing: ClientRequest) {
  const { pipe } = options.buffer as unknown as { pipe: (outgoing: ClientRequest) => void }
  pipe(outgoing)
}

/** The request's own bytes instead of http-proxy's reading of them. False when they cannot be sent. */
function writeHead(outgoing: ClientRequest, asked: Asked, more: readonly string[] = []): boolean {
  outgoing.path = asked.path
  outgoing.maxHeadersCount = 0
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
  try {
    for (const [name, values] of grouped([...asked.fields, ...more])) outgoing.setHeader(name, values)
    return true
  } catch {
    outgoing.destroy()
    return false
  }
}

// Requests -----------------------------------------------------------------------------------------------

interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly asked: Asked
  readonly limits: Limits
  readonly resolve: (outcome: Outcome) => void
}

class Slow extends Error {}

function exchange(outgoing: ClientRequest, { req, res, asked, limits, resolve }: Exchange) {
  let connected = false
  let bytesBefore = 0
  let response: IncomingMessage | undefined

  outgoing.once('socket', socket => {
    bytesBefore = socket.bytesRead
    const send = () => {
      connected = true
      outgoing.setTimeout(limits.answerMs, () => outgoing.destroy(new Slow()))
      sendBody(outgoing, { req, res, asked })
    }
    if (!socket.connecting) return send()
    const late = setTimeout(() => outgoing.destroy(new Slow()), limits.connectMs)
    socket.once('connect', send)
    socket.once('close', () => clearTimeout(late))
    socket.once('connect', () => clearTimeout(late))
  })

  outgoing.on('information', ({ statusCode, rawHeaders }) => {
    if (statusCode === 103 && req.httpVersion === '1.1' && !res.headersSent) earlyHints(res, rawHeaders)
  })

  outgoing.once('response', answer => {
    response = answer
    outgoing.setTimeout(limits.streamIdleMs)
    if (!passAnswer(answer, { res, id: asked.id })) giveUp('unreachable')
  })

  // A switch of protocols that nobody asked for.
  outgoing.once('upgrade', (_answer, socket) => {
    socket.destroy()
    giveUp('unreachable')
  })

  outgoing.on('error', error => {
    if (response) return response.complete || cut(res)
    if (res.closed) return giveUp('answered')
    if (!connected) return giveUp('again')
    if (error instanceof Slow) return giveUp('slow')
    const untouched = outgoing.reusedSocket && outgoing.socket?.bytesRead === bytesBefore
    giveUp(untouched && asked.body === 'none' && asked.idempotent ? 'again' : 'unreachable')
  })

  /** Ends this attempt; whoever made it answers the client. */
  function giveUp(outcome: Outcome) {
    res.off('close', leave)
    req.unpipe(outgoing)
    outgoing.destroy()
    resolve(outcome)
  }

  /** The client has its answer, or has left early: either way nobody waits for the upstream any more. */
  function leave() {
    req.unpipe(outgoing)
    req.resume()
    if (!(response?.complete && outgoing.writableFinished)) outgoing.destroy()
    resolve('answered')
  }
  res.once('close', leave)
}

/** Only on a connection that stands, so that an upstream which refuses it costs no byte of the body. */
function sendBody(outgoing: ClientRequest, { req, res, asked }: Pick<Exchange, 'req' | 'res' | 'asked'>) {
  if (asked.body === 'none') {
    req.resume()
    outgoing.end()
    return
  }
  if (asked.expectsContinue) res.writeContinue()
  if (asked.body === 'chunked') req.once('end', () => outgoing.addTrailers(trailerFields(req.rawTrailers)))
  req.pipe(outgoing)
}
