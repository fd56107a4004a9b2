import type { Crossing } from '../edge/wire.ts'
import type { Trip } from './trip.ts'

/** What becomes of an app's requests while its route changes from one release to another: those under way then, and those that come. */
export interface Crossings {
  /** The route points to another release from now on; so many requests are under way. */
  begin(app: string, inFlight: number): void
  note(trip: Trip): void
  /** When those that were under way are over, a second after the pointing at the latest: what there is to tell, once. */
  end(app: string): Promise<Crossing>
  forget(app: string): void
}

/** Nobody is held up for longer, and no later request counts. */
const longestMs = 1_000
/** Nobody will ask any more. */
const forgottenMs = 60_000

interface Open {
  readonly began: number
  /** Under way since before. */
  old: number
  requests: number
  lost: number
  errors: number
  slowestMs: number
  readonly byRelease: Map<number, number>
  /** Nothing more is counted. */
  over: boolean
  done: () => void
}

export function openCrossings(): Crossings {
  const open = new Map<string, Open>()

  return {
    begin(app, inFlight) {
      const crossing: Open = {
        ...{ began: performance.now(), old: inFlight, requests: 0, lost: 0, errors: 0, slowestMs: 0 },
        ...{ byRelease: new Map(), over: false, done: () => undefined },
      }
      open.set(app, crossing)
      const finish = () => {
        crossing.over = true
        crossing.done()
      }
      setTimeout(finish, longestMs).unref()
      setTimeout(() => open.get(app) === crossing && open.delete(app), forgottenMs).unref()
    },
    note(trip) {
      if (open.size === 0 || trip.app === undefined || trip.webSocket) return
      const crossing = open.get(trip.app)
      if (crossing === undefined || crossing.over) return
      add(crossing, trip)
      if (trip.began < crossing.began && --crossing.old === 0) crossing.done()
    },
    async end(app) {
      const crossing = open.get(app)
      if (crossing === undefined) return nothing
      if (!crossing.over && crossing.old > 0) {
        await new Promise<void>(resolve => {
          crossing.done = resolve
        })
      }
      if (open.get(app) === crossing) open.delete(app)
      const { requests, lost, errors, slowestMs, old, byRelease } = crossing
      return { requests, lost, errors, slowestMs, underWay: old, byRelease: Object.fromEntries(byRelease) }
    },
    forget: app => void open.delete(app),
  }
}

function add(crossing: Open, trip: Trip): void {
  crossing.requests++
  if (trip.lost) crossing.lost++
  else if (trip.visitor.status >= 500) crossing.errors++
  crossing.slowestMs = Math.max(crossing.slowestMs, trip.lasted())
  if (trip.release === undefined) return
  crossing.byRelease.set(trip.release, (crossing.byRelease.get(trip.release) ?? 0) + 1)
}

const nothing: Crossing = { requests: 0, lost: 0, errors: 0, slowestMs: 0, underWay: 0, byRelease: {} }

/** What all workers tell as one. */
export function allOf(crossings: readonly Crossing[]): Crossing {
  return crossings.reduce((sum, each) => {
    const byRelease = { ...sum.byRelease }
    for (const [release, requests] of Object.entries(each.byRelease)) {
      byRelease[release] = (byRelease[release] ?? 0) + requests
    }
    return {
      requests: sum.requests + each.requests,
      lost: sum.lost + each.lost,
      errors: sum.errors + each.errors,
      slowestMs: Math.max(sum.slowestMs, each.slowestMs),
      underWay: sum.underWay + each.underWay,
      byRelease,
    }
  }, nothing)
}
