import type { AppMetrics } from '../types.ts'
import { boundMs, bucketCount, quantileMs } from './buckets.ts'
import type { BookReport, Report } from './report.ts'
import { addPacked, addTo, newSlots, type Slots, slot } from './tally.ts'

/** What all workers have counted since the proxy started, and what of it belongs to the last half hour. */
export interface Sums {
  /** From the worker with this process id. */
  add(worker: number, report: Report): void
  /** It is gone, and what was under way in it. */
  lose(worker: number): void
  rename(was: string, app: string): void
  forget(app: string): void
  sync(apps: ReadonlySet<string>): void
  /** By app, sorted; last, with no name, what reached none. */
  totals(): readonly Total[]
  /** The last minute or two, of one app or all, sorted. */
  recent(app?: string): readonly AppMetrics[]
  /** Times that bytes came which were no request, and lines of logs that found no room. */
  readonly noise: () => number
  readonly dropped: () => number
}

export interface Total {
  readonly app: string | undefined
  readonly slots: Slots
  readonly inFlight: number
  readonly webSockets: number
  readonly tunnels: number
}

/** What is under way in a worker. */
type Gauges = Pick<BookReport, 'inFlight' | 'webSockets' | 'tunnels'>

interface Sum {
  app: string | undefined
  readonly slots: Slots
  readonly gauges: Map<number, Gauges>
  /** As `slots` were when this minute began, and the one before. */
  start: Slots
  before: Slots
  minute: number
  minutes: Minute[]
}

/** A minute in which there was something to count. */
interface Minute {
  readonly minute: number
  readonly requests: number
  readonly errors: number
  readonly p95Ms: number | undefined
}

export const minutesKept = 30
const minuteMs = 60_000

export function openSums(now: () => number = Date.now): Sums {
  const sums = new Map<string | undefined, Sum>()
  const since = now()
  let noise = 0
  let dropped = 0

  const find = (app: string | undefined): Sum => {
    const known = sums.get(app)
    if (known) return known
    const sum: Sum = {
      ...{ app, slots: newSlots(), start: newSlots(), before: newSlots() },
      ...{ gauges: new Map(), minute: Math.floor(now() / minuteMs), minutes: [] },
    }
    sums.set(app, sum)
    return sum
  }
  const sorted = () => [...sums.values()].sort((a, b) => order(a.app, b.app))

  return {
    add(worker, report) {
      noise += report.noise
      dropped += report.dropped
      for (const { app, inFlight, webSockets, tunnels, counts } of report.books) {
        const sum = find(app ?? undefined)
        turn(sum, now())
        if (inFlight === 0 && webSockets === 0 && tunnels === 0) sum.gauges.delete(worker)
        else sum.gauges.set(worker, { inFlight, webSockets, tunnels })
        for (const { slots } of counts) addPacked(sum.slots, slots)
      }
    },
    lose(worker) {
      for (const { gauges } of sums.values()) gauges.delete(worker)
    },
    rename(was, app) {
      const sum = sums.get(was)
      if (!sum) return
      // A worker may have been quicker with the new name.
      const begun = sums.get(app)
      if (begun) addTo(sum.slots, begun.slots)
      for (const [worker, gauge] of begun?.gauges ?? []) sum.gauges.set(worker, gauge)
      sums.delete(was)
      sum.app = app
      sums.set(app, sum)
    },
    forget: app => void sums.delete(app),
    sync(apps) {
      for (const app of sums.keys()) if (app !== undefined && !apps.has(app)) sums.delete(app)
    },
    totals: () => sorted().map(sum => ({ app: sum.app, slots: sum.slots, ...gaugesOf(sum) })),
    recent(app) {
      const wanted = app === undefined ? sorted() : [sums.get(app)].filter(each => each !== undefined)
      return wanted.map(sum => recentOf(sum, { now: now(), since }))
    },
    noise: () => noise,
    dropped: () => dropped,
  }
}

function order(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return a < b ? -1 : 1
}

/** Begins a new minute where it is one. */
function turn(sum: Sum, now: number): void {
  const minute = Math.floor(now / minuteMs)
  if (minute === sum.minute) return
  const over = minuteOf(sum)
  if (over.requests > 0) sum.minutes.push(over)
  while (sum.minutes[0] && sum.minutes[0].minute <= minute - minutesKept) sum.minutes.shift()
  sum.before = minute === sum.minute + 1 ? sum.start : sum.slots.slice()
  sum.start = sum.slots.slice()
  sum.minute = minute
}

function minuteOf({ slots, start, minute }: Sum): Minute {
  const delta = less(slots, start)
  return {
    minute,
    requests: delta[slot.requests]!,
    errors: delta[slot.class + 5]!,
    p95Ms: quantileMs(delta.subarray(slot.buckets), 0.95),
  }
}

function recentOf(sum: Sum, { now, since }: { now: number; since: number }): AppMetrics {
  turn(sum, now)
  const delta = less(sum.slots, sum.before)
  const begun = Math.max(since, (sum.minute - 1) * minuteMs)
  const buckets = delta.subarray(slot.buckets)
  const { tunnels, ...gauges } = gaugesOf(sum)
  return {
    app: sum.app ?? null,
    seconds: Math.max(1, now - begun) / 1000,
    requests: delta[slot.requests]!,
    statuses: Array.from(delta.subarray(slot.class + 1, slot.class + 6)),
    lost: delta[slot.lost]!,
    received: delta[slot.received]!,
    sent: delta[slot.sent]!,
    retries: delta[slot.retries]!,
    ejections: delta[slot.ejections]!,
    ...gauges,
    tcp: tcpOf(sum, delta, tunnels),
    p50Ms: quantileMs(buckets, 0.5) ?? null,
    p95Ms: quantileMs(buckets, 0.95) ?? null,
    p99Ms: quantileMs(buckets, 0.99) ?? null,
    minutes: minutesOf(sum),
  }
}

/** The last half hour, oldest first, this minute so far included. */
function minutesOf(sum: Sum): AppMetrics['minutes'] {
  const known = new Map([...sum.minutes, minuteOf(sum)].map(each => [each.minute, each]))
  return Array.from({ length: minutesKept }, (_, at) => {
    const found = known.get(sum.minute - minutesKept + 1 + at)
    return { requests: found?.requests ?? 0, errors: found?.errors ?? 0, p95Ms: found?.p95Ms ?? null }
  })
}

function gaugesOf({ gauges }: Sum): Gauges {
  let inFlight = 0
  let webSockets = 0
  let tunnels = 0
  for (const each of gauges.values()) {
    inFlight += each.inFlight
    webSockets += each.webSockets
    tunnels += each.tunnels
  }
  return { inFlight, webSockets, tunnels }
}

/** Null for an app that has had none. */
function tcpOf({ slots }: Sum, delta: Slots, open: number): AppMetrics['tcp'] {
  if (slots[slot.tunnels] === 0) return null
  return {
    open,
    connections: delta[slot.tunnels]!,
    failed: delta[slot.tunnelsFailed]!,
    received: delta[slot.tunnelReceived]!,
    sent: delta[slot.tunnelSent]!,
  }
}

function less(slots: Slots, than: Slots): Slots {
  return slots.map((number, at) => number - than[at]!)
}

/** How many took at most so long, for each bound to which buckets double. */
export function doublingsOf(slots: Slots): readonly { readonly ms: number; readonly count: number }[] {
  const bounds: { ms: number; count: number }[] = []
  let count = 0
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    count += slots[slot.buckets + bucket]!
    if (bucket % 4 === 0 || bucket === bucketCount - 1) bounds.push({ ms: boundMs(bucket), count })
  }
  return bounds
}
