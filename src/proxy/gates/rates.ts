import type { Route } from '../../types.ts'
import { pages } from '../pages.ts'
import type { Gate } from '../site.ts'
import { networkOf } from '../trust.ts'

export type Rate = NonNullable<Route['rate']>

/**
 * How much of its allowance each client has used, as one number: the time at which it is whole again (GCRA, the leaky bucket as a meter).
 * Each worker counts what it serves itself.
 */
export interface Rates {
  /** 0: it may come, and that is counted. Else so many milliseconds too early, and nothing is counted. */
  take(client: string, rate: Rate, now?: number): number
  readonly size: number
}

/** Clients that are remembered, over all apps; those that have not come for longest are forgotten first. */
const most = 100_000

export function openRates(limit = most): Rates {
  const wholeAt = new Map<string, number>()
  return {
    take(client, { requests, seconds, burst }, now = performance.now()) {
      const each = (seconds * 1000) / requests
      const then = Math.max(wholeAt.get(client) ?? 0, now) + each
      const early = then - Math.max(burst, 1) * each - now
      // Some of a millionth of a millisecond is rounding.
      if (early > 1e-6) return early
      wholeAt.delete(client)
      wholeAt.set(client, then)
      if (wholeAt.size > limit) wholeAt.delete(wholeAt.keys().next().value!)
      return 0
    },
    get size() {
      return wholeAt.size
    },
  }
}

export function rateGate({ app, rate }: Route, rates: Rates): Gate | undefined {
  if (!rate) return undefined
  return ({ client }) => {
    const early = rates.take(`${app} ${networkOf(client)}`, rate)
    if (early === 0) return undefined
    return { page: pages.tooMany, fields: ['Retry-After', String(Math.ceil(early / 1000))] }
  }
}
