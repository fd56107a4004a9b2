import type { Api, Query } from './api.ts'

export interface CacheLimits {
  /** What no build has used for so long goes. */
  readonly unusedHours: number
  /** What is beyond goes, that which was used longest ago first. */
  readonly bytes: number
}

/** Answers the bytes that were freed. What a build is using stays. */
export async function pruneCache(api: Api, { unusedHours, bytes }: CacheLimits): Promise<number> {
  const old = await prune(api, { filters: { until: [`${unusedHours}h`] } })
  // An engine of API 1.49 or later, which reads only the newer names, would take everything away for want of a limit.
  const limit = { 'keep-storage': bytes, 'reserved-space': bytes, 'max-used-space': bytes }
  return old + (await prune(api, limit))
}

async function prune(api: Api, limit: Query): Promise<number> {
  const query = { all: true, ...limit }
  const answer = await api.ask<{ SpaceReclaimed?: number }>('POST', '/build/prune', {
    query,
    seconds: 600,
    idempotent: true,
  })
  return answer.SpaceReclaimed ?? 0
}
