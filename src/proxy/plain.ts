import http, { type ClientRequest, type IncomingMessage } from 'node:http'

import type { Upstream } from '../types.ts'
import type { Carrying, Outcome } from './carry.ts'
import { dial } from './dial.ts'
import { blame, faultOf } from './fault.ts'
import { grouped, trailerFields, upstreamFields } from './fields.ts'
import type { Trip } from './trip.ts'
import type { Visitor } from './visitor.ts'

/**
 * By Node's own client, on a connection of its own, what undici does not send: bodies with trailers after them, and `OPTIONS *`.
 * The outcomes are the same.
 */
export async function sendPlainly(upstream: Upstream, carrying: Carrying): Promise<void> {
  const { visitor, asked, limits, trip } = carrying
  const connection = await dial(upstream, limits.connectMs, why => blame(trip, why))
  if (!connection) return carrying.done('again')
  if (visitor.closed) {
    connection.destroy()
    return carrying.done('answered')
  }
  trip.connected()
  const outgoing = http.request({
    method: visitor.method,
    path: asked.path,
    createConnection: () => connection,
    setDefaultHeaders: false,
  })
  outgoing.maxHeadersCount = 0
  converse(outgoing, carrying)
  try {
    const framing = asked.body === 'chunked' ? ['Transfer-Encoding', 'chunked'] : []
    for (const [name, values] of grouped([...asked.fields, ...framing, 'Connection', 'close']))
      outgoing.setHeader(name, values)
  } catch (error) {
    outgoing.destroy(error as Error)
    return
  }
  outgoing.setTimeout(limits.answerMs, () => outgoing.destroy(new Slow()))
  if (asked.expectsContinue) visitor.proceed()
  if (asked.body === 'none') return void outgoing.end()
  visitor.body.on('data', (chunk: Buffer) => {
    visitor.taken += chunk.length
  })
  if (asked.body === 'chunked') {
    visitor.body.once('end', () => outgoing.addTrailers(pairsOf(trailerFields(visitor.trailers))))
  }
  let bytes = 0
  visitor.body.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limits.bodyBytes) outgoing.destroy(new TooMuch())
  })
  visitor.body.pipe(outgoing)
}

class Slow extends Error {}

/** More of a body than is taken. */
class TooMuch extends Error {}

function converse(outgoing: ClientRequest, { visitor, asked, limits, trip, dress, done }: Carrying): void {
  let settled = false
  const settle = (outcome: Outcome) => {
    if (settled) return
    settled = true
    visitor.body.unpipe(outgoing)
    outgoing.destroy()
    done(outcome)
  }
  visitor.onClose(() => settle('answered'))
  outgoing.on('information', ({ statusCode, rawHeaders }) => {
    if (statusCode === 103) visitor.hint(rawHeaders.filter((_, at) => isLink(rawHeaders, at)))
  })
  outgoing.once('response', answer => {
    trip.answered()
    outgoing.setTimeout(limits.streamIdleMs)
    const fields = [...upstreamFields(answer.rawHeaders), 'X-Request-Id', asked.id]
    const status = answer.statusCode!
    try {
      visitor.begin(status, answer.statusMessage ?? '', dress ? dress(status, fields, asked) : fields, {
        trailers: true,
      })
    } catch {
      blame(trip, 'gave an answer that cannot be passed on')
      return settle('unreachable')
    }
    passBody(answer, visitor, trip)
  })
  outgoing.once('upgrade', (_answer, socket) => {
    socket.destroy()
    blame(trip, 'changed the protocol unasked')
    settle('unreachable')
  })
  outgoing.on('error', error => {
    if (!(error instanceof TooMuch))
      blame(trip, error instanceof Slow ? `gave no answer in ${limits.answerMs / 1000} s` : faultOf(error))
    if (visitor.begun) return visitor.closed || visitor.cut()
    if (visitor.closed) return settle('answered')
    settle(error instanceof Slow ? 'slow' : error instanceof TooMuch ? 'large' : 'unreachable')
  })
}

/** The body of an answer whose head has been said, and its trailers. */
export function passBody(answer: IncomingMessage, visitor: Visitor, trip: Trip): void {
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

function isLink(raw: readonly string[], at: number): boolean {
  return at % 2 === 1 && raw[at - 1]!.toLowerCase() === 'link'
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[at * 2]!, flat[at * 2 + 1]!])
}
