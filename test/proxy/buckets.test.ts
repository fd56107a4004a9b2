import { t } from 'tap'

import { boundMs, bucketCount, bucketOf, quantileMs } from '../../src/proxy/buckets.ts'

const all = Array.from({ length: bucketCount }, (_, at) => at)

t.test('each bucket takes times up to and with its bound, and the next what is longer', async t => {
  for (const bucket of all.slice(0, -1)) {
    t.equal(bucketOf(boundMs(bucket)), bucket, `${boundMs(bucket)} ms`)
    t.equal(bucketOf(boundMs(bucket) + 0.001), bucket + 1, `over ${boundMs(bucket)} ms`)
  }
})

t.test(
  'bounds grow by a quarter to a fifth of their doubling, from a quarter of a millisecond to two minutes',
  async t => {
    t.equal(boundMs(0), 0.256)
    t.equal(boundMs(4), 0.512)
    t.equal(boundMs(bucketCount - 2), 134_217.728)
    t.equal(boundMs(bucketCount - 1), Number.POSITIVE_INFINITY)
    for (const bucket of all.slice(1, -1)) {
      const ratio = boundMs(bucket) / boundMs(bucket - 1)
      t.ok(ratio > 1.1 && ratio <= 1.25, String(ratio))
    }
  },
)

t.test('no time is without a bucket', async t => {
  t.equal(bucketOf(0), 0)
  t.equal(bucketOf(1e-9), 0)
  t.equal(bucketOf(134_217.729), bucketCount - 1)
  for (const ms of [1e6, 3e6, 1e12, Number.POSITIVE_INFINITY]) t.equal(bucketOf(ms), bucketCount - 1)
})

t.test('a percentile is right to an eighth, whatever the times are', async t => {
  // A fixed sequence, spread over five powers of ten.
  let seed = 7
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  const times = Array.from({ length: 20_000 }, () => 10 ** (random() * 5 - 0.5))
  const counts = all.map(() => 0)
  for (const ms of times) counts[bucketOf(ms)]!++
  const sorted = times.toSorted((a, b) => a - b)
  for (const share of [0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1]!
    const told = quantileMs(counts, share)!
    t.ok(Math.abs(told / exact - 1) < 0.125, `${share}: ${told} for ${exact}`)
  }
})

t.test('of nothing there is no percentile, and of what is too long the longest bound', async t => {
  const counts = all.map(() => 0)
  t.equal(quantileMs(counts, 0.5), undefined)
  counts[bucketCount - 1] = 3
  t.equal(quantileMs(counts, 0.5), 134_217.728)
})
