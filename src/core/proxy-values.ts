import { UserError } from '../errors.ts'
import type { Route } from '../types.ts'

/** Texts that people give for settings of the proxy, as nginx reads them where it has the setting. Each throws UserError `bad-value`. */

const sizes: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** `10m`, `1g`; bytes without a unit. */
export function bytesOf(text: string): number {
  const [, digits, unit] = /^(\d{1,12})([kmg]?)$/.exec(text.toLowerCase()) ?? []
  const bytes = Number(digits) * sizes[unit ?? '']!
  if (bytes <= 2 ** 50) return bytes
  throw bad(`${text} is no size.`, 'Sizes are numbers with k, m or g: 20m; 0 is any size.')
}

const times: readonly (readonly [string, number])[] = [
  ['d', 24 * 3600_000],
  ['h', 3600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]
const longestMs = 7 * 24 * 3600_000

/** `90s`, `1m30s`; seconds without a unit. */
export function msOf(text: string): number {
  const lower = text.toLowerCase()
  const given = /^\d+$/.test(lower) ? `${lower}s` : lower
  const parts = /^(?:\d{1,9}(?:ms|[dhms]))+$/.test(given) ? given.matchAll(/(\d+)(ms|[dhms])/g) : []
  let ms = 0
  for (const [, count, unit] of parts) ms += Number(count) * times.find(([name]) => name === unit)![1]
  if (ms > 0 && ms <= longestMs) return ms
  throw bad(`${text} is no time.`, 'Times are numbers with s, m, h or d, up to 7d: 90s, 1m30s.')
}

const yes = ['on', 'true', 'yes']
const no = ['off', 'false', 'no']

export function switchOf(text: string): boolean {
  const lower = text.toLowerCase()
  if (yes.includes(lower)) return true
  if (no.includes(lower)) return false
  throw bad(`${text} is neither on nor off.`)
}

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

/** `10r/s`, `600r/m`, and with `,burst=20` how many at once; as many as the rate counts unless told. */
export function rateOf(text: string): NonNullable<Route['rate']> {
  const [, requests, per, burst] =
    /^(\d{1,7})r\/([smh])(?:[ ,]+burst=(\d{1,7}))?$/.exec(text.toLowerCase()) ?? []
  const rate = { requests: Number(requests), seconds: seconds[per ?? '']!, burst: Number(burst ?? requests) }
  if (rate.requests > 0 && rate.burst > 0) return rate
  throw bad(
    `${text} is no rate.`,
    'Rates are so many requests per s, m or h, for each client: 10r/s, or 600r/m,burst=50.',
  )
}

function bad(sentence: string, hint?: string): UserError {
  return new UserError('bad-value', sentence, hint)
}
