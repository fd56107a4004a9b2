import { t } from 'tap'

import { openTrials, sumOf } from '../../src/proxy/trial.ts'
import type { Trip } from '../../src/proxy/trip.ts'
import type { Route } from '../../src/types.ts'
import { routeTo } from './stage.ts'

const canary = (release: number): Route => ({
  ...routeTo(),
  release: 1,
  canary: { percent: 10, release, upstreams: {} },
})
const trip = (release: number, firstByteMs: number, status = 200) =>
  ({ app: 'shop', release, firstByteMs, visitor: { status } }) as unknown as Trip

t.test('what two releases answer is counted while the route has a trial, over all workers', async t => {
  const workers = [openTrials(), openTrials()]
  for (const each of workers) {
    each.note(trip(1, 5))
    each.point(canary(2))
    for (let n = 1; n <= 100; n++) each.note(trip(1, n / 10))
    for (let n = 1; n <= 100; n++) each.note(trip(2, n, n > 96 ? 500 : 200))
  }
  const sums = sumOf(workers.map(each => each.counts('shop')))
  t.match(sums, { 1: { requests: 200, failed: 0 }, 2: { requests: 200, failed: 8 } })
  const near = (ms: number | null, wanted: number) => ms !== null && Math.abs(ms - wanted) < wanted * 0.1
  t.ok(near(sums[1]!.p95Ms, 9.5), String(sums[1]!.p95Ms))
  t.ok(near(sums[2]!.p95Ms, 95), String(sums[2]!.p95Ms))
})

t.test('another canary begins at nothing; with none, nothing is counted', async t => {
  const trials = openTrials()
  trials.point(canary(2))
  trials.note(trip(2, 5))
  trials.point(canary(2))
  t.match(sumOf([trials.counts('shop')]), { 2: { requests: 1 } }, 'the same goes on')
  trials.point(canary(3))
  t.same(sumOf([trials.counts('shop')]), {})
  trials.point(routeTo())
  trials.note(trip(3, 5))
  t.same(sumOf([trials.counts('shop')]), {})
})
