import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'

import type { Asked } from './asked.ts'
import { trailerFields } from './fields.ts'
import { isSaid } from './h2/pack.ts'
import type { Sending, SendOptions } from './send.ts'
import type { Visitor } from './visitor.ts'

/** What has been read of a request's body, while it is short: with it the request can be put to another upstream from its beginning. */
export interface Kept {
  /** Undefined once some of it is gone. */
  chunks: Buffer[] | undefined
  bytes: number
  ended: boolean
}

const keptMost = 64 * 1024

export function keepBody(): Kept {
  return { chunks: [], bytes: 0, ended: false }
}

export interface Sending2 extends Sending {
  /** Sends no more of it, and leaves what still comes to another. */
  leave(): void
}

/** A request's body on its way to an upstream in HTTP/2, as fast as the slower side. Its stream waits for trailers that were announced. */
export function sendBody2(
  visitor: Visitor,
  { body: kind, length }: Asked,
  stream: ClientHttp2Stream,
  { kept, most, tooMuch, broken }: Omit<SendOptions, 'moved'> & { readonly kept: Kept },
): Sending2 {
  const { body } = visitor
  let over = false

  const quit = () => {
    over = true
    body.off('data', send).off('end', end).off('error', fail).off('close', fail)
    stream.off('drain', go)
  }
  const fail = () => {
    if (over) return
    quit()
    broken()
  }
  const go = () => {
    if (!over) body.resume()
  }
  const send = (chunk: Buffer) => {
    visitor.taken += chunk.length
    if (visitor.taken > most) {
      quit()
      body.resume()
      return tooMuch()
    }
    if (kind === 'counted' && visitor.taken > length!) return fail()
    keep(chunk)
    if (!stream.write(chunk)) body.pause()
  }
  const keep = (chunk: Buffer) => {
    kept.bytes += chunk.length
    if (kept.bytes > keptMost) kept.chunks = undefined
    kept.chunks?.push(chunk)
  }
  const end = () => {
    if (over) return
    if (kind === 'counted' && visitor.taken !== length) return fail()
    kept.ended = true
    quit()
    stream.end()
  }
  stream.once('wantTrailers', () => stream.sendTrailers(grouped(trailerFields(visitor.trailers))))
  for (const chunk of kept.chunks ?? []) stream.write(chunk)
  if (kept.ended) {
    over = true
    stream.end()
  } else {
    body.on('data', send).on('end', end).on('error', fail).on('close', fail)
    stream.on('drain', go)
    body.resume()
  }
  return {
    stop() {
      if (over) return false
      quit()
      // An error of a body that nobody reads is nobody's.
      body.on('error', () => undefined)
      body.resume()
      return true
    },
    leave() {
      if (over) return
      quit()
      body.pause()
    },
  }
}

/** As Node takes trailers. Throws on what HTTP/1.1 could not say either. */
function grouped(fields: readonly string[]): OutgoingHttpHeaders {
  const tail: OutgoingHttpHeaders = Object.create(null)
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    const known = tail[name] as string[] | undefined
    if (isSaid(name, fields[at + 1]!)) tail[name] = [...(known ?? []), fields[at + 1]!]
  }
  return tail
}
