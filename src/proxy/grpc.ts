import { constants } from 'node:http2'

import type { RouteLimits } from '../types.ts'
import { valuesOf } from './fields.ts'
import type { Limits } from './limits.ts'
import type { Trip } from './trip.ts'
import type { Visitor } from './visitor.ts'

/** What is particular to calls of gRPC (its PROTOCOL-HTTP2.md); all else is HTTP/2. */

/** Status of a call by the code that its stream was reset with; INTERNAL for the others. */
const statuses: ReadonlyMap<number, number> = new Map([
  [constants.NGHTTP2_REFUSED_STREAM, 14],
  [constants.NGHTTP2_CANCEL, 1],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, 8],
  [constants.NGHTTP2_INADEQUATE_SECURITY, 7],
])
const internal = 13

/** The client may try it again. */
const unavailable = 14

/** Longest deadline that is heeded, ms. */
const longestMs = 24 * 3600 * 1000

export function isCall({ fields }: Pick<Visitor, 'fields'>): boolean {
  return valuesOf(fields, 'content-type')[0]?.toLowerCase().startsWith('application/grpc') ?? false
}

/** Of fields or trailers that an app has sent. */
export function callStatusOf(fields: readonly string[]): string | undefined {
  return valuesOf(fields, 'grpc-status')[0]
}

/** How long both sides may be silent, ms: as long as any stream, or until the deadline that the client has set. */
export function silenceOf({ fields }: Pick<Visitor, 'fields'>, { streamIdleMs }: Limits): number {
  return Math.max(streamIdleMs, deadlineOf(valuesOf(fields, 'grpc-timeout')[0]) ?? 0)
}

/** `100m`, in ms; undefined for what is none. */
export function deadlineOf(said: string | undefined): number | undefined {
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(said ?? '') ?? []
  if (count === undefined) return undefined
  return Math.min(longestMs, Math.ceil(Number(count) * units[unit as keyof typeof units]))
}

const units = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/**
 * A stream of messages has no natural length and no least rate, and whoever reads it may take their time: nothing of it piles up here. What a
 * person set for the app counts all the same.
 */
export function callLimits(own: RouteLimits | undefined): RouteLimits {
  return { bodyBytes: 0, bodyIdleMs: Number.POSITIVE_INFINITY, ...own }
}

/** Ends an answer in the middle. A call is told that it may be tried again, where a reset would say that something is broken. */
export function breakOff(visitor: Visitor, trip: Trip, why: string): void {
  if (!visitor.begun || !isCall(visitor)) return void visitor.cut()
  trip.callStatus = String(unavailable)
  visitor.endWith(['grpc-status', trip.callStatus, 'grpc-message', why])
}

/** Ends a call as its app has: by a reset like the app's own, or where there is no such here in the words that stand for it. */
export function resetCall(visitor: Visitor, trip: Trip, code: number): void {
  const status = statuses.get(code) ?? internal
  if (isCall(visitor)) trip.callStatus = String(status)
  if (code === constants.NGHTTP2_CANCEL) return void visitor.cut({ cancelled: true })
  if (status === internal || !isCall(visitor)) return void visitor.cut()
  const told = ['grpc-status', String(status), 'grpc-message', `the app has reset the call (code ${code})`]
  if (visitor.begun) return void visitor.endWith(told)
  visitor.begin(200, '', ['content-type', 'application/grpc', ...told], { whole: true })
  visitor.out.end()
}
