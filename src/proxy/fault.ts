import type { Trip } from './trip.ts'

/** What an upstream did, in words that go after its name. */
export function faultOf({ code = '', message }: Error & { code?: string }): string {
  if (code.startsWith('HPE_')) return 'gave an answer that is no proper HTTP'
  return known[code] ?? (code ? `failed with ${code}` : message)
}

const known: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ECONNRESET: 'reset the connection',
  EPIPE: 'closed the connection',
}

/** The first fault is the one to tell of: what follows, follows from it. A client that has left is nobody's fault. */
export function blame(trip: Trip, why: string): void {
  if (trip.visitor.closed || trip.fault !== undefined) return
  trip.fault = why
  trip.failed = trip.upstream
}
