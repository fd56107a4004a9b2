import type { Asked } from './asked.ts'
import type { Balance, Lane } from './balance.ts'
import type { Counts } from './books.ts'
import type { Outcome } from './carry.ts'
import { clientCookie, findClient, laneOf, newClient, shareOf } from './client.ts'
import type { Site } from './site.ts'
import type { Visitor } from './visitor.ts'

/** A request's place at an upstream. */
export interface Place {
  readonly lane: Lane
  /** As it was when the place was given: the route may have changed while the request waited. */
  readonly site: Site
  /** The release that stands there, where the route says so. */
  readonly release: number | undefined
  /** A field for the answer, for a client that is to be known again. */
  readonly cookie: readonly [string, string] | undefined
}

/** unknown: the hostname has no app any more · stopped: nobody is there · full: all have as much as they may, and enough wait already · late: waited in vain. */
export type NoPlace = 'unknown' | 'stopped' | 'full' | 'late'

/** Gives requests their places at upstreams, and has them wait where there is none yet. */
export interface Places {
  /** Calls back at once when there is a place, or none to wait for. A client that leaves is called back no more. */
  take(wanted: Wanted, then: (place: Place | NoPlace) => void): void
  leave(place: Place, outcome: Outcome): void
  /** Requests of the app wait, each for so long at most; those for its health path do not. */
  pause(app: string, options: { capMs: number }): void
  resume(app: string): void
  /** The app's route is another one: who waits may have a place now. */
  changed(app: string): void
  waiting(app: string): number
}

export interface Wanted {
  readonly visitor: Visitor
  readonly asked: Asked
  /** Looked up anew when its turn comes. */
  readonly site: () => Site | undefined
  readonly tried?: Place | undefined
}

interface Waiter {
  readonly wanted: Wanted
  readonly then: (place: Place | NoPlace) => void
  readonly timer: NodeJS.Timeout
}

interface Line {
  readonly waiters: Set<Waiter>
  paused: { readonly capMs: number } | undefined
}

const usual = { queue: 1_000, queueMs: 10_000 }
/** Requests of one app that a pause holds, per worker. */
const heldMost = 10_000

export function openPlaces(balance: Balance, counts: Counts): Places {
  const lines = new Map<string, Line>()

  const lineOf = (app: string): Line => {
    const known = lines.get(app)
    if (known) return known
    const line: Line = { waiters: new Set(), paused: undefined }
    lines.set(app, line)
    return line
  }
  const lanesOf = (site: Site): Lanes => {
    const { upstreams, canary } = site.route
    site.lanes ??= {
      main: balance.lanesOf(Object.values(upstreams)),
      canary: canary && balance.lanesOf(Object.values(canary.upstreams)),
    }
    return site.lanes
  }

  /** Undefined: none now. */
  const find = ({ asked, visitor, tried }: Wanted, site: Site): Place | undefined => {
    const { main, canary } = lanesOf(site)
    const { route } = site
    const most = route.limits?.perUpstream
    // Nothing to choose, and no time to ask for.
    const now = main.length === 1 && !canary ? 0 : performance.now()
    const options = { tried: tried?.lane, most, now }
    if (!route.sticky && !route.canary) {
      const lane = balance.choose(main, options)
      return lane && { lane, site, release: route.release, cookie: undefined }
    }
    const known = findClient(visitor.fields)
    const id = known ?? newClient()
    const cookie = known === undefined ? clientCookie(id, asked.scheme) : undefined
    const onTrial = route.canary !== undefined && canary !== undefined && shareOf(id) < route.canary.percent
    const lanes = onTrial && canary.length > 0 ? canary : main
    const own = route.sticky && tried === undefined ? laneOf(id, lanes) : undefined
    const usable = own && own.awayUntil <= options.now && own.outstanding < (most ?? Number.POSITIVE_INFINITY)
    const lane = usable ? own : balance.choose(lanes, options)
    return lane && { lane, site, release: lanes === main ? route.release : route.canary?.release, cookie }
  }

  const wait = (wanted: Wanted, then: Waiter['then'], { line, ms }: { line: Line; ms: number }) => {
    const timer = setTimeout(() => {
      line.waiters.delete(waiter)
      then('late')
    }, ms)
    const waiter: Waiter = { wanted, then, timer }
    line.waiters.add(waiter)
    wanted.visitor.onClose(() => {
      clearTimeout(timer)
      line.waiters.delete(waiter)
    })
  }

  const take = (wanted: Wanted, then: (place: Place | NoPlace) => void) => {
    const site = wanted.site()
    if (!site) return void then('unknown')
    const { route } = site
    const line = lines.get(route.app)
    if (line?.paused && !isHealth(wanted.asked, site)) {
      if (line.waiters.size >= heldMost) return void then('full')
      return wait(wanted, then, { line, ms: line.paused.capMs })
    }
    const place = find(wanted, site)
    if (place) {
      balance.begin(place.lane)
      return void then(place)
    }
    if (lanesOf(site).main.length === 0) return void then('stopped')
    const limits = { ...usual, ...route.limits }
    const here = lineOf(route.app)
    if (here.waiters.size >= limits.queue) return void then('full')
    wait(wanted, then, { line: here, ms: limits.queueMs })
  }

  /** Those who wait, in their order, while there are places. */
  const wake = (app: string, most: number) => {
    const line = lines.get(app)
    if (!line || line.paused) return
    for (const waiter of [...line.waiters].slice(0, most)) {
      line.waiters.delete(waiter)
      clearTimeout(waiter.timer)
      take(waiter.wanted, waiter.then)
    }
    if (line.waiters.size === 0) lines.delete(app)
  }

  return {
    take,
    leave({ lane, site }, outcome) {
      if (balance.end(lane, outcome)) counts.ejected(site.route.app, lane.name, lane.awayMs)
      wake(site.route.app, 1)
    },
    pause(app, { capMs }) {
      lineOf(app).paused = { capMs }
    },
    resume(app) {
      const line = lines.get(app)
      if (!line) return
      line.paused = undefined
      wake(app, Number.POSITIVE_INFINITY)
    },
    changed: app => wake(app, Number.POSITIVE_INFINITY),
    waiting: app => lines.get(app)?.waiters.size ?? 0,
  }
}

/** The upstreams of a route. */
export interface Lanes {
  readonly main: readonly Lane[]
  readonly canary: readonly Lane[] | undefined
}

function isHealth({ path }: Asked, { route: { health } }: Site): boolean {
  return health !== undefined && (path === health || path.startsWith(`${health}?`))
}
