import type { Limits } from './limits.ts'
import type { Trip } from './trip.ts'

/** What an upstream did, in words that go after its name. */
export function faultOf({ name, code = '', message }: Error & { code?: string }): string {
  if (name === 'HTTPParserError' || code.startsWith('HPE_') || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return 'gave an answer that is no proper HTTP'
  return known[code] ?? (code ? `failed with ${code}` : message)
}

/** The same of an answer that undici waited for. */
export function brokenOf(
  error: Error & { code?: string },
  { begun }: { readonly begun: boolean },
  { answerMs, streamIdleMs }: Limits,
): string {
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') return `gave no answer in ${answerMs / 1000} s`
  const place = begun ? 'in the middle of its answer' : 'before its answer'
  if (error.code === 'UND_ERR_BODY_TIMEOUT') return `was silent for ${streamIdleMs / 1000} s ${place}`
  const why = faultOf(error)
  return why.startsWith('gave') ? why : `${why} ${place}`
}

const known: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ECONNRESET: 'reset the connection',
  EPIPE: 'closed the connection',
  UND_ERR_SOCKET: 'closed the connection',
  UND_ERR_HEADERS_OVERFLOW: 'gave an answer with too large a head',
}

/** The first fault is the one to tell of: what follows, follows from it. A client that has left is nobody's fault. */
export function blame(trip: Trip, why: string): void {
  if (trip.visitor.closed || trip.fault !== undefined) return
  trip.fault = why
  trip.failed = trip.upstream
}
