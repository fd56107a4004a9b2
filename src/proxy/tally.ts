import { bucketCount, bucketOf } from './buckets.ts'
import { statusOf } from './line.ts'
import type { Trip } from './trip.ts'

/** What is counted of requests: one number a slot. */
export type Slots = Float64Array

export const slot = {
  /** Over, whatever came of them; WebSockets when they end. */
  requests: 0,
  /** By the first digit of the status: 1 to 5. */
  class: 0,
  /** Of those, the ones that got no answer from the app, or half of one. */
  lost: 6,
  /** Bytes of bodies. */
  received: 7,
  sent: 8,
  /** Milliseconds of all that are in the buckets. */
  ms: 9,
  retries: 10,
  ejections: 11,
  webSockets: 12,
  /** Connections whose bytes pass as they are; of those, the ones that led nowhere; and bytes. */
  tunnels: 13,
  tunnelsFailed: 14,
  tunnelReceived: 15,
  tunnelSent: 16,
  buckets: 17,
} as const

export const slotCount = slot.buckets + bucketCount

export function newSlots(): Slots {
  return new Float64Array(slotCount)
}

/** Done for every request: plain numbers in a place that is there already. */
export function count(slots: Slots, trip: Trip): void {
  const { visitor } = trip
  slots[slot.requests]!++
  slots[slot.class + Math.min(5, Math.floor(statusOf(trip) / 100))]!++
  if (trip.lost) slots[slot.lost]!++
  slots[slot.received]! += visitor.taken
  slots[slot.sent]! += visitor.bytes
  slots[slot.retries]! += trip.retries
  // How long somebody stays on a WebSocket says nothing of the app.
  if (trip.webSocket) {
    slots[slot.webSockets]!++
    return
  }
  const ms = trip.lasted()
  slots[slot.ms]! += ms
  slots[slot.buckets + bucketOf(ms)]!++
}

export function addTo(sum: Slots, more: ArrayLike<number>): void {
  for (let at = 0; at < slotCount; at++) sum[at]! += more[at]!
}

/** Index and number of every slot that holds something, flat. */
export function packed(slots: Slots): number[] {
  const pairs: number[] = []
  for (let at = 0; at < slotCount; at++) if (slots[at] !== 0) pairs.push(at, slots[at]!)
  return pairs
}

export function addPacked(sum: Slots, pairs: readonly number[]): void {
  for (let at = 0; at + 1 < pairs.length; at += 2) sum[pairs[at]!]! += pairs[at + 1]!
}
