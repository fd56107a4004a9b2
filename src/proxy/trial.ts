import type { ReleaseCounts } from '../edge/wire.ts'
import type { Route } from '../types.ts'
import type { Trip } from './trip.ts'

/** Counts what a release on trial and the one before it answer, while the route says that there is one. */
export interface Trials {
  /** A trial begins, goes on or is over. */
  sync(routes: readonly Route[]): void
  point(route: Route): void
  forget(app: string): void
  note(trip: Trip): void
  /** By release; nothing while there is no trial. */
  counts(app: string): Readonly<Record<string, ReleaseCounts>>
}

interface Counting {
  readonly canary: number
  readonly counts: Map<number, ReleaseCounts & { buckets: number[]; requests: number; failed: number }>
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
      const counts = known ?? { requests: 0, failed: 0, buckets: Array<number>(bucketCount).fill(0) }
      if (!known) trial.counts.set(release, counts)
      counts.requests++
      // Nothing answered: the client left, or the app did not come up to it.
      if (visitor.status >= 500) counts.failed++
      counts.buckets[bucketOf(trip.firstByteMs ?? trip.soFar())]!++
    },
    counts: app => Object.fromEntries(trials.get(app)?.counts ?? []),
  }
}

/** Four to each doubling, from 1 ms to some nine minutes. */
const bucketCount = 80

function bucketOf(ms: number): number {
  return Math.max(0, Math.min(bucketCount - 1, Math.round(Math.log2(Math.max(ms, 1)) * 4)))
}

/** By release. */
export type TrialCounts = Readonly<Record<string, ReleaseCounts>>

/** Of all workers together. */
export function sumOf(trials: readonly TrialCounts[]): TrialCounts {
  const releases = new Set(trials.flatMap(each => Object.keys(each)))
  return Object.fromEntries(
    [...releases].map(release => {
      const each = trials.flatMap(trial => trial[release] ?? [])
      const total = (of: (counts: ReleaseCounts) => number) =>
        each.reduce((sum, counts) => sum + of(counts), 0)
      const buckets = each[0]!.buckets.map((_, at) => total(counts => counts.buckets[at] ?? 0))
      return [
        release,
        { requests: total(counts => counts.requests), failed: total(counts => counts.failed), buckets },
      ]
    }),
  )
}
