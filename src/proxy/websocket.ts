import type { ClientRequest, IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

import httpProxy from 'http-proxy'

import type { Upstream } from '../types.ts'
import type { Asked } from './asked.ts'
import type { Outcome } from './carry.ts'
import { dial } from './dial.ts'
import type { Farewell } from './farewell.ts'
import { blame, faultOf } from './fault.ts'
import { fieldsIn } from './field-lines.ts'
import { grouped, trailerFields, upstreamFields } from './fields.ts'
import type { Limits } from './limits.ts'
import type { Dress } from './site.ts'
import type { Talk } from './talk.ts'
import type { Trip } from './trip.ts'
import type { Visitor } from './visitor.ts'

export interface Upgrading {
  readonly upstream: Upstream
  readonly talk: Talk
  readonly limits: Limits
  readonly dress: Dress | undefined
  readonly farewell: Farewell
  readonly trip: Trip
  readonly switched: () => void
}

/** Passes a WebSocket through until either side ends it. http-proxy makes the request and pumps; heads, framing and failures are ours. */
export async function upgrade(
  visitor: Visitor,
  asked: Asked,
  { upstream, talk, limits, dress, farewell, trip, switched }: Upgrading,
): Promise<Outcome> {
  const connection = await dial(upstream, limits.connectMs, why => blame(trip, why))
  if (!connection) return 'again'
  trip.connected()
  return new Promise(resolve => {
    let outgoing: ClientRequest | undefined
    const proxy = httpProxy.createProxyServer({ ignorePath: true })
    proxy.on('proxyReqWs', made => {
      outgoing = writeHead(made, asked) ? made : undefined
    })
    const { socket } = talk
    const req = { method: 'GET', url: '/', headers: { upgrade: 'websocket', connection: 'Upgrade' }, socket }
    const target = { protocol: 'http:', host: upstream.host, port: String(upstream.port) }
    proxy.ws(
      req as unknown as IncomingMessage,
      socket,
      nothing,
      { target, agent: carrier(connection) as Server },
      () => undefined,
    )
    if (!outgoing) {
      connection.destroy()
      return resolve('unreachable')
    }
    couple(outgoing, { visitor, talk, connection, asked, limits, dress, farewell, trip, switched, resolve })
  })
}

const nothing = Buffer.alloc(0)

/** The request's own bytes instead of http-proxy's reading of them. False when they cannot be sent. */
function writeHead(outgoing: ClientRequest, asked: Asked): boolean {
  outgoing.path = asked.path
  outgoing.maxHeadersCount = 0
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
  try {
    for (const [name, values] of grouped([
      ...fieldsIn(asked.lines),
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
    ]))
      outgoing.setHeader(name, values)
    return true
  } catch {
    outgoing.destroy()
    return false
  }
}

interface Coupled {
  readonly visitor: Visitor
  readonly talk: Talk
  readonly connection: Socket
  readonly asked: Asked
  readonly limits: Limits
  readonly dress: Dress | undefined
  readonly farewell: Farewell
  readonly trip: Trip
  readonly switched: () => void
  readonly resolve: (outcome: Outcome) => void
}

/** An agent of one connection. */
function carrier(connection: Socket): unknown {
  return {
    addRequest: (outgoing: ClientRequest & { onSocket: (socket: Socket) => void }) =>
      outgoing.onSocket(connection),
  }
}

/** http-proxy's own ways with errors and with answers other than 101 break framing: only its pump is kept. */
function couple(
  outgoing: ClientRequest,
  { visitor, talk, connection, asked, limits, dress, farewell, trip, switched, resolve }: Coupled,
) {
  const { socket } = talk
  const [pump] = outgoing.listeners('upgrade') as ((...answer: [IncomingMessage, Socket, Buffer]) => void)[]
  for (const event of ['error', 'response', 'upgrade']) outgoing.removeAllListeners(event)

  const gone = () => {
    connection.destroySoon()
    resolve('answered')
  }
  const giveUp = (outcome: Outcome, why: string) => {
    blame(trip, why)
    socket.off('close', gone)
    outgoing.destroy()
    // What has begun in the app's words is not ended in ours.
    if (visitor.begun) {
      trip.lost ||= !visitor.closed
      visitor.cut()
    }
    resolve(visitor.begun || socket.destroyed ? 'answered' : outcome)
  }
  outgoing.setTimeout(limits.answerMs, () => giveUp('slow', `gave no answer in ${limits.answerMs / 1000} s`))
  outgoing.on('error', error => giveUp('unreachable', faultOf(error)))
  outgoing.once('response', answer => {
    outgoing.setTimeout(limits.streamIdleMs)
    trip.answered()
    refuse(answer, visitor, trip, { asked, dress })
  })
  outgoing.once('upgrade', (answer, _same, head) => {
    if (answer.headers.upgrade?.trim().toLowerCase() !== 'websocket')
      return giveUp('unreachable', 'agreed to something else than a WebSocket')
    answer.headers = switchFields(answer, asked.id)
    trip.answered()
    switched()
    talk.passOn()
    count(socket, trip)
    connection.once('close', () => socket.destroySoon())
    pump!(answer, connection, head)
    farewell.follow(connection)
    const lastWords = () => setTimeout(() => socket.destroy(), lastWordsMs).unref()
    if (socket.readableEnded) lastWords()
    else socket.once('end', lastWords)
    for (const end of [socket, connection]) end.setKeepAlive(true, 60_000)
    // What comes from either side passes the client's socket.
    if (limits.socketIdleMs > 0) socket.setTimeout(limits.socketIdleMs, () => socket.destroy())
  })
  socket.once('close', gone)
  if (socket.destroyed) gone()
}

/** What goes through from here on, until the socket's end. */
function count(socket: Socket, trip: Trip): void {
  const { bytesRead, bytesWritten } = socket
  // Heard before whoever tells of the trip.
  socket.prependOnceListener('close', () => {
    trip.visitor.taken = socket.bytesRead - bytesRead
    trip.visitor.bytes = socket.bytesWritten - bytesWritten
  })
}

/** For what an app still has to say to a client that has ended its side. Many apps never end theirs. */
const lastWordsMs = 1_000

/** The app's own words why there is no WebSocket. */
function refuse(
  answer: IncomingMessage,
  visitor: Visitor,
  trip: Trip,
  { asked, dress }: { asked: Asked; dress: Dress | undefined },
): void {
  try {
    const fields = [...upstreamFields(answer.rawHeaders), 'X-Request-Id', asked.id]
    const status = answer.statusCode!
    visitor.begin(status, answer.statusMessage ?? '', dress ? dress(status, fields, asked) : fields)
    passBody(answer, visitor, trip)
  } catch {
    visitor.cut()
  }
}

/** The body of an answer whose head has been said, and its trailers. */
function passBody(answer: IncomingMessage, visitor: Visitor, trip: Trip): void {
  const broken = () => {
    blame(trip, 'closed the connection in the middle of its answer')
    trip.lost ||= !visitor.closed
    visitor.cut()
  }
  answer.on('data', (chunk: Buffer) => {
    visitor.bytes += chunk.length
  })
  answer.on('error', broken)
  answer.once('close', () => answer.complete || broken())
  answer.once('end', () => visitor.endWith(trailerFields(answer.rawTrailers)))
  answer.pipe(visitor.out, { end: false })
}

/** What http-proxy will write as the head of the 101. */
function switchFields(answer: IncomingMessage, id: string): IncomingMessage['headers'] {
  const fields = Object.fromEntries(grouped(upstreamFields(answer.rawHeaders)))
  const own = { connection: 'Upgrade', upgrade: 'websocket', 'x-request-id': id }
  return Object.assign(Object.create(null), fields, own)
}
