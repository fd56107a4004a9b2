import type { ReleaseCounts } from '../edge/wire.ts'
import type { Route } from '../types.ts'
import { bucketCount, bucketOf, quantileMs } from './buckets.ts'
import type { Trip } from './trip.ts'

/** Counts what a release on trial and the one before it answer, while the route says that there is one. */
export interface Trials {
  /** A trial begins, goes on or is over. */
  sync(routes: readonly Route[]): void
  point(route: Route): void
  forget(app: string): void
  note(trip: Trip): void
  /** By release; nothing while there is no trial. */
  counts(app: string): TrialCounts
}

interface Counting {
  readonly canary: number
  readonly counts: Map<number, Counts>
}

/** Of one release, in one worker. */
interface Counts {
  requests: number
  failed: number
  /** By the time to the first byte. */
  readonly buckets: number[]
}

export function openTrials(): Trials {
  const trials = new Map<string, Counting>()

  const point = ({ app, canary }: Route) => {
    if (!canary) return void trials.delete(app)
    if (trials.get(app)?.canary !== canary.release) {
      trials.set(app, { canary: canary.release, counts: new Map() })
    }
  }
  return {
    point,
    sync(routes) {
      const there = new Set<string>(routes.map(each => each.app))
      for (const app of trials.keys()) if (!there.has(app)) trials.delete(app)
      for (const route of routes) point(route)
    },
    forget: app => void trials.delete(app),
    note(trip) {
      const { app, release, visitor } = trip
      if (app === undefined || release === undefined || trials.size === 0) return
      const trial = trials.get(app)
      if (!trial) return
      const known = trial.counts.get(release)
      const counts = known ?? noCounts()
      if (!known) trial.counts.set(release, counts)
      counts.requests++
      // Nothing answered: the client left, or the app did not come up to it.
      if (visitor.status >= 500) counts.failed++
      counts.buckets[bucketOf(trip.firstByteMs ?? trip.soFar())]!++
    },
    counts: app => Object.fromEntries(trials.get(app)?.counts ?? []),
  }
}

/** By release. */
export type TrialCounts = Readonly<Record<string, Counts>>

/** Of all workers together. */
export function sumOf(trials: readonly TrialCounts[]): Readonly<Record<string, ReleaseCounts>> {
  const sums: Record<string, Counts> = {}
  for (const [release, counts] of trials.flatMap(each => Object.entries(each))) {
    sums[release] ??= noCounts()
    const sum = sums[release]
    sum.requests += counts.requests
    sum.failed += counts.failed
    for (const [at, count] of counts.buckets.entries()) sum.buckets[at]! += count
  }
  return Object.fromEntries(
    Object.entries(sums).map(([release, { requests, failed, buckets }]) => [
      release,
      { requests, failed, p95Ms: quantileMs(buckets, 0.95) ?? null },
    ]),
  )
}

function noCounts(): Counts {
  return { requests: 0, failed: 0, buckets: Array<number>(bucketCount).fill(0) }
}
