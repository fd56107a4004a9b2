import type { Upstream } from '../types.ts'
import type { Outcome } from './carry.ts'
import { nameOf } from './traffic.ts'

/** An upstream as this worker knows it. */
export interface Lane {
  readonly name: string
  readonly upstream: Upstream
  /** In flight here and now. */
  outstanding: number
  /** Tries in a row that came to nothing. */
  failures: number
  /** Not asked before this time, while there is another (`performance.now`). */
  awayUntil: number
  /** How long it was away the last time, ms. */
  awayMs: number
}

/** Which of an app's upstreams a request goes to: the less busy of two, past those that keep failing. */
export interface Balance {
  /** Lanes of upstreams, the same for the same address, whatever route names it. */
  lanesOf(upstreams: readonly Upstream[]): readonly Lane[]
  /** Undefined when there is none, or each has as much as it may. `tried` is asked again only when it is the only one. */
  choose(lanes: readonly Lane[], options: Choosing): Lane | undefined
  begin(lane: Lane): void
  /** What came of it decides whether the lane is asked further on. True: from now on it is set aside. */
  end(lane: Lane, outcome: Outcome): boolean
  forget(name: string): void
  /** How often an upstream was set aside. */
  readonly ejections: () => number
}

export interface Choosing {
  readonly tried?: Lane | undefined
  /** Most in flight at one upstream. */
  readonly most?: number | undefined
  readonly now: number
}

/** After so many failures in a row an upstream is set aside, for longer each time; it comes back slowly. */
const failuresInRow = 3
const firstAwayMs = 1_000
const longestAwayMs = 30_000
const slowReturnMs = 10_000

export function openBalance(random: () => number = Math.random): Balance {
  const lanes = new Map<string, Lane>()
  let turn = 0
  let ejections = 0

  const laneOf = (upstream: Upstream): Lane => {
    const name = nameOf(upstream)
    const known = lanes.get(name)
    if (known) return known
    const lane = {
      name,
      upstream: { ...upstream, name },
      outstanding: 0,
      failures: 0,
      awayUntil: 0,
      awayMs: 0,
    }
    lanes.set(name, lane)
    return lane
  }

  return {
    lanesOf: upstreams => upstreams.map(laneOf),
    choose(all, { tried, most = Number.POSITIVE_INFINITY, now }) {
      if (all.length === 1) return all[0]!.outstanding < most ? all[0] : undefined
      const others = tried === undefined ? all : all.filter(each => each !== tried)
      const there = others.filter(each => each.awayUntil <= now)
      // When all are away, one of them is still likelier to answer than nobody.
      const candidates = (there.length > 0 ? there : others).filter(each => each.outstanding < most)
      if (candidates.length === 0) return tried !== undefined && tried.outstanding < most ? tried : undefined
      turn = (turn + 1) % 2 ** 30
      const first = candidates[turn % candidates.length]!
      if (candidates.length === 1) return first
      const step = 1 + Math.floor(random() * (candidates.length - 1))
      const second = candidates[(turn + step) % candidates.length]!
      return burdenOf(second, now) < burdenOf(first, now) ? second : first
    },
    begin: lane => {
      lane.outstanding++
    },
    end(lane, outcome) {
      lane.outstanding--
      // A client that sent too much says nothing of the upstream.
      if (outcome === 'large') return false
      if (outcome === 'answered') {
        lane.failures = 0
        return false
      }
      const now = performance.now()
      // One blip fails all that was under way in it, which says nothing of what comes after.
      if (now < lane.awayUntil) return false
      if (++lane.failures < failuresInRow) return false
      lane.failures = 0
      const again = now < lane.awayUntil + longestAwayMs && lane.awayMs > 0
      lane.awayMs = again ? Math.min(lane.awayMs * 2, longestAwayMs) : firstAwayMs
      lane.awayUntil = now + lane.awayMs
      ejections++
      return true
    },
    forget: name => void lanes.delete(name),
    ejections: () => ejections,
  }
}

/** What it has to do; one that was away seems busier at first than it is. */
function burdenOf({ outstanding, awayUntil, awayMs }: Lane, now: number): number {
  if (awayMs === 0) return outstanding
  const back = Math.min(1, (now - awayUntil) / slowReturnMs)
  return (outstanding + 1) / Math.max(0.1, back) - 1
}
