import { constants, type PerformanceNodeEntry, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as next, setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { giveBackAtRest } from '../src/rest.ts'

const mb = 1024 * 1024

t.test('a process at rest gives back what its busiest moment took', { timeout: 30_000 }, async t => {
  const rest = giveBackAtRest({ everyMs: 100, worthBytes: 16 * mb, share: 1 })
  t.teardown(rest.stop)
  const before = process.memoryUsage.rss()
  take(150 * mb)
  t.ok(process.memoryUsage.rss() > before + 60 * mb, 'garbage is in memory')
  while (process.memoryUsage.rss() > before + 30 * mb) await pause(500)
})

t.test(
  'one that works, and one that has nothing to give back, are left alone',
  { timeout: 30_000 },
  async t => {
    const collections = watched(t)
    const rest = giveBackAtRest({ everyMs: 20, worthBytes: mb, share: 1 })
    t.teardown(rest.stop)
    for (const until = Date.now() + 500; Date.now() < until; await next()) take(mb)
    t.equal(collections(), 0)
    while (collections() === 0) await pause(100)
    // Of what is left, little more than a look at it can become garbage.
    const after = collections()
    await pause(400)
    t.ok(collections() <= after + 1)
  },
)

t.test('it takes a small share of the time, however much there is to give back', async t => {
  const collections = watched(t)
  // V8 looks again at what is left, seven times at most.
  const most = 7
  for (const share of [1, 0.001]) {
    const before = collections()
    const rest = giveBackAtRest({ everyMs: 10, worthBytes: -mb, share })
    t.teardown(rest.stop)
    while (collections() <= before + (share === 1 ? most : 0)) await pause(20)
    await pause(share === 1 ? 0 : 500)
    rest.stop()
    if (share < 1) t.ok(collections() <= before + most)
    // One that has begun comes to its end.
    await pause(100)
  }
})

/** Leaves garbage that lived long enough to be old when it died. */
function take(bytes: number): void {
  const kept: object[] = []
  for (let at = 0; at < bytes / 100; at++) kept.push({ at, words: `${at}`, list: [at] })
}

/** How often everything that can be was collected, as `giveBackAtRest` has it done. */
function watched(t: { teardown(end: () => void): void }): () => number {
  let count = 0
  const observer = new PerformanceObserver(list => {
    const all = constants.NODE_PERFORMANCE_GC_FLAGS_ALL_AVAILABLE_GARBAGE
    const details = list
      .getEntries()
      .map(entry => (entry as PerformanceNodeEntry).detail as { flags: number })
    count += details.filter(({ flags }) => flags & all).length
  })
  observer.observe({ entryTypes: ['gc'] })
  t.teardown(() => observer.disconnect())
  return () => count
}
