import { setTimeout as pause } from 'node:timers/promises'

import type { Rooms } from '../core/rooms.ts'
import type { ReleaseCounts } from '../edge/wire.ts'
import { Cancelled, UserError } from '../errors.ts'
import type { App, Call, Container, Release } from '../types.ts'

/** Settings of the topic `checks`, with what counts where nothing is set. */
export const trialUsual = { percent: 0, seconds: 60, factor: 2 }

/** So many answers of each release are needed before one is judged by them. */
const leastRequests = 20
/** What a handful of errors, or a slow disk for a moment, may make of a small number. */
const spare = { share: 0.02, ms: 50 }

/**
 * A canary: a share of the app's clients sees the new release for a while beside the old one. UserError `canary-worse` as soon as its
 * share of errors, or its p95, is worse by the factor set. Without a percentage, or without an old release to compare with, nothing is tried.
 */
export async function tryOut(
  app: App,
  { release, containers }: { release: Release; containers: readonly Container[] },
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const { percent, seconds, factor } = wanted(app, rooms)
  const old = rooms.store.releases.live(app.name)
  const serves = (each: Container) => each.process === 'web' && each.state === 'wanted'
  const web = containers.filter(each => each.process === 'web')
  if (percent === 0 || !old || web.length === 0 || !rooms.store.containers.of(app.name).some(serves)) return
  call.out.step(`Showing release ${release.number} to ${percent} % of the clients for ${seconds} s`)
  await rooms.routes.tryOut(app, { percent, release, containers: web }, call)
  const until = Date.now() + seconds * 1000
  let last: Compared | undefined
  while (Date.now() < until) {
    await pause(Math.min(1000, until - Date.now()), undefined, { signal: call.signal }).catch(() => {
      throw new Cancelled()
    })
    last = compare(await rooms.edge.trial(app.name), { old: old.number, next: release.number })
    const worse = last && whyWorse(last, factor)
    if (worse)
      throw new UserError(
        'canary-worse',
        `Release ${release.number} is worse than release ${old.number}: ${worse}.`,
        'The old release serves everybody again. See what it said: logs:failed, or builds:output',
      )
  }
  call.out.detail(
    last ? told(last) : `Too few requests came to judge by; nothing spoke against release ${release.number}`,
  )
}

function wanted(app: App, { store }: Rooms): typeof trialUsual {
  const set = (key: string, usual: number) =>
    Number(
      store.properties.get('checks', app.name, key) ??
        store.properties.get('checks', undefined, key) ??
        usual,
    )
  return {
    percent: set('canary', trialUsual.percent),
    seconds: set('canary-seconds', trialUsual.seconds),
    factor: set('canary-factor', trialUsual.factor),
  }
}

export interface Judged {
  readonly requests: number
  /** Of its answers, how many were errors: 0 to 1. */
  readonly share: number
  readonly p95: number
}

export interface Compared {
  readonly old: Judged
  readonly next: Judged
}

/** Undefined while there is too little to judge by. */
export function compare(
  counts: ReadonlyMap<number, ReleaseCounts>,
  releases: { old: number; next: number },
): Compared | undefined {
  const old = judged(counts.get(releases.old))
  const next = judged(counts.get(releases.next))
  return old && next ? { old, next } : undefined
}

function judged(counts: ReleaseCounts | undefined): Judged | undefined {
  if (!counts || counts.requests < leastRequests) return undefined
  const { requests, failed, p95Ms } = counts
  return { requests, share: failed / requests, p95: p95Ms ?? 0 }
}

/** In words; undefined when it is no worse. */
export function whyWorse({ old, next }: Compared, factor: number): string | undefined {
  if (next.share > old.share * factor + spare.share) {
    return `${percentOf(next.share)} of its answers were errors, of the old one's ${percentOf(old.share)}`
  }
  if (next.p95 > old.p95 * factor + spare.ms) {
    return `95 % of its answers took up to ${next.p95.toFixed(0)} ms, of the old one's up to ${old.p95.toFixed(0)} ms`
  }
  return undefined
}

function told({ old, next }: Compared): string {
  const words = ({ requests, share, p95 }: Judged) =>
    `${requests} requests, ${percentOf(share)} errors, p95 ${p95.toFixed(0)} ms`
  return `On trial: ${words(next)}; the old release: ${words(old)}`
}

function percentOf(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
