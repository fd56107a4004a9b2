/**
 * Times by size: four buckets to each doubling, from 0.256 ms to two minutes, so that a percentile is right to a tenth or so. A bucket
 * takes times over the bound of the one before it, up to and with its own.
 */

/** 2 to the power of this, in microseconds, is the bound of the first. */
const least = 8
const doublings = 19
export const bucketCount = 1 + doublings * 4 + 1

/** Longer times are in the last bucket all the same. */
const longestMs = 2_000_000

export function bucketOf(ms: number): number {
  const us = Math.ceil(Math.min(ms, longestMs) * 1000) - 1
  if (us < 1 << least) return 0
  const power = 31 - Math.clz32(us)
  const bucket = 1 + (power - least) * 4 + ((us >>> (power - 2)) & 3)
  return bucket < bucketCount ? bucket : bucketCount - 1
}

/** The longest time in this bucket; of the last there is none. */
export function boundMs(bucket: number): number {
  if (bucket === bucketCount - 1) return Number.POSITIVE_INFINITY
  if (bucket === 0) return 2 ** least / 1000
  const power = least + ((bucket - 1) >> 2)
  return (2 ** power * (1 + (((bucket - 1) & 3) + 1) / 4)) / 1000
}

/** The time that this share of all stays under, as if those of a bucket were spread evenly over it. Undefined when there are none. */
export function quantileMs(counts: ArrayLike<number>, share: number): number | undefined {
  let all = 0
  for (let at = 0; at < bucketCount; at++) all += counts[at]!
  if (all === 0) return undefined
  let left = share * all
  let bucket = 0
  while (bucket < bucketCount - 1 && left > counts[bucket]!) left -= counts[bucket++]!
  const from = bucket === 0 ? 0 : boundMs(bucket - 1)
  if (bucket === bucketCount - 1) return from
  return from + (boundMs(bucket) - from) * (counts[bucket] === 0 ? 1 : left / counts[bucket]!)
}
