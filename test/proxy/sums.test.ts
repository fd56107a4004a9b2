import { t } from 'tap'

import { bucketOf } from '../../src/proxy/buckets.ts'
import { expositionOf } from '../../src/proxy/exposition.ts'
import type { BookReport, Report } from '../../src/proxy/report.ts'
import { minutesKept, openSums } from '../../src/proxy/sums.ts'
import { slot } from '../../src/proxy/tally.ts'

const minuteMs = 60_000

/** Requests of one app, all alike. */
function report(
  app: string | null,
  { requests = 0, status = 2, ms = 10, inFlight = 0, webSockets = 0 }: Partial<Record<string, number>> = {},
): Report {
  const slots = [
    ...[slot.requests, requests, slot.class + status, requests, slot.received, requests * 5],
    ...[slot.sent, requests * 100, slot.ms, requests * ms, slot.buckets + bucketOf(ms), requests],
  ]
  const counts = requests > 0 ? [{ release: 1, slots }] : []
  const book: BookReport = { app, inFlight, webSockets, tunnels: 0, counts }
  return { wrote: {}, dropped: 0, noise: 0, books: [book] }
}

function clock(from = 1_000 * minuteMs) {
  let now = from
  return {
    now: () => now,
    later: (ms: number) => {
      now += ms
    },
  }
}

t.test(
  'what workers tell is summed up, and a worker that is gone takes with it only what was under way',
  async t => {
    const sums = openSums(clock().now)
    sums.add(1, report('shop', { requests: 3, inFlight: 2, webSockets: 1 }))
    sums.add(2, report('shop', { requests: 4, status: 5, inFlight: 5 }))
    sums.add(1, report('blog', { requests: 1 }))
    t.match(sums.totals(), [
      { app: 'blog', inFlight: 0 },
      { app: 'shop', inFlight: 7, webSockets: 1 },
    ])
    sums.lose(1)
    const [, shop] = sums.totals()
    t.match(shop, { inFlight: 5, webSockets: 0 })
    t.equal(shop!.slots[slot.requests], 7)
  },
)

t.test('recent figures are those of the last minute or two', async t => {
  const { now, later } = clock()
  const sums = openSums(now)
  sums.add(1, report('shop', { requests: 60, ms: 10 }))
  later(30_000)
  t.match(sums.recent('shop'), [
    { seconds: 30, requests: 60, statuses: [0, 60, 0, 0, 0], received: 300, sent: 6_000 },
  ])
  t.ok(Math.abs(sums.recent('shop')[0]!.p50Ms! - 10) < 1)
  later(minuteMs)
  sums.add(1, report('shop', { requests: 30, status: 5, ms: 200 }))
  t.match(sums.recent('shop'), [{ seconds: 90, requests: 90, statuses: [0, 60, 0, 0, 30] }])
  later(minuteMs)
  t.match(sums.recent('shop'), [{ seconds: 90, requests: 30, statuses: [0, 0, 0, 0, 30] }])
  t.ok(sums.recent('shop')[0]!.p50Ms! > 150)
  later(minuteMs)
  t.match(sums.recent('shop'), [{ seconds: 90, requests: 0, p50Ms: null, p99Ms: null }])
})

t.test('each minute of the last half hour is remembered, also those in which nothing came', async t => {
  const { now, later } = clock()
  const sums = openSums(now)
  const requests = () => sums.recent('shop')[0]!.minutes.map(each => each.requests)
  for (let minute = 0; minute < 40; minute++) {
    if (minute % 3 === 0) sums.add(1, report('shop', { requests: minute + 1, status: minute === 39 ? 5 : 2 }))
    later(minuteMs)
  }
  sums.add(1, report('shop', { requests: 7 }))
  const expected = Array.from({ length: minutesKept }, (_, at) => at + 11).map(each =>
    each % 3 === 0 ? each + 1 : 0,
  )
  t.same(requests(), [...expected.slice(0, -1), 7])
  const { minutes } = sums.recent('shop')[0]!
  t.match(minutes.at(-2), { requests: 40, errors: 40 })
  t.match(minutes.at(-3), { requests: 0, errors: 0, p95Ms: null })
  later(100 * minuteMs)
  t.same(
    requests(),
    Array.from({ length: minutesKept }, () => 0),
  )
})

t.test('counts go with their app: to another name, or away', async t => {
  const sums = openSums(clock().now)
  sums.add(1, report('shop', { requests: 3, inFlight: 1 }))
  // A worker was quicker with the new name.
  sums.add(2, report('store', { requests: 2, inFlight: 4 }))
  sums.rename('shop', 'store')
  t.match(sums.totals(), [{ app: 'store', inFlight: 5 }])
  t.equal(sums.totals()[0]!.slots[slot.requests], 5)
  sums.add(1, report('blog', { requests: 1 }))
  sums.sync(new Set(['store']))
  t.match(sums.totals(), [{ app: 'store' }])
  sums.forget('store')
  t.same(sums.totals(), [])
})

t.test('Prometheus reads it: every family once, with help and type, and histograms that add up', async t => {
  const sums = openSums(clock().now)
  sums.add(1, report('shop', { requests: 3, ms: 0.2, inFlight: 2 }))
  sums.add(1, report('shop', { requests: 2, ms: 700, status: 5 }))
  sums.add(1, report('shop', { requests: 1, ms: 200_000 }))
  sums.add(1, report('blog', { requests: 1 }))
  sums.add(1, { ...report(null, { requests: 4, status: 4 }), noise: 6, dropped: 8 })
  const text = expositionOf(sums, { version: '1.2.3', workers: 2, startedAt: 1_700_000_000.5 })
  const { samples, families } = parse(text)
  for (const [name, { help, type }] of families) {
    t.match(name, /^davit_[a-z_]+$/)
    t.match(help, /\.$/, name)
    t.equal(/_total$/.test(name), type === 'counter', `${name} is a ${type}`)
  }
  const value = (name: string, labels = '') => samples.get(`davit_${name}${labels}`)
  t.equal(value('requests_total', '{app="shop",code="2xx"}'), 4)
  t.equal(value('requests_total', '{app="shop",code="5xx"}'), 2)
  t.equal(value('requests_total', '{app="blog",code="5xx"}'), 0)
  t.equal(value('sent_bytes_total', '{app="shop"}'), 600)
  t.equal(value('requests_in_flight', '{app="blog"}'), 0)
  t.equal(value('stray_requests_total', '{code="4xx"}'), 4)
  t.equal(value('malformed_requests_total'), 6)
  t.equal(value('log_lines_dropped_total'), 8)
  t.equal(value('proxy_workers'), 2)
  t.equal(value('proxy_start_time_seconds'), 1_700_000_000.5)
  t.equal(value('build_info', '{version="1.2.3"}'), 1)

  const le = (bound: string) => value('request_duration_seconds_bucket', `{app="shop",le="${bound}"}`)
  t.equal(le('0.000256'), 3)
  t.equal(le('0.524288'), 3)
  t.equal(le('1.048576'), 5)
  t.equal(le('134.217728'), 5)
  t.equal(le('+Inf'), 6)
  t.equal(value('request_duration_seconds_count', '{app="shop"}'), 6)
  t.equal(value('request_duration_seconds_sum', '{app="shop"}'), (3 * 0.2 + 2 * 700 + 200_000) / 1000)
  const bounds = [...samples.keys()].filter(key =>
    key.startsWith('davit_request_duration_seconds_bucket{app="shop"'),
  )
  t.equal(bounds.length, 21)
  for (const [at, key] of bounds.entries()) {
    if (at > 0) t.ok(samples.get(key)! >= samples.get(bounds[at - 1]!)!, `${key} holds what is below it`)
  }
})

t.test('a proxy that has served nobody has something to tell all the same', async t => {
  const { samples, families } = parse(expositionOf(openSums(), { version: '1', workers: 1, startedAt: 1 }))
  t.equal(samples.get('davit_proxy_workers'), 1)
  t.equal(families.has('davit_requests_total'), false)
})

/** The text format by its grammar (version 0.0.4): no sample without its family, none twice. */
function parse(text: string) {
  const families = new Map<string, { help: string; type: string }>()
  const samples = new Map<string, number>()
  let family = ''
  let help = ''
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.split('\n').slice(0, -1)) {
    const [, word, name, rest] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      if (families.has(name!)) throw new Error(`${name} comes twice`)
      help = rest!
      family = name!
      continue
    }
    if (word === 'TYPE') {
      if (name !== family) throw new Error(`${name} has no help`)
      families.set(name!, { help, type: rest! })
      continue
    }
    const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`
    const sample = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{${label}(?:,${label})*\\})? (\\S+)$`).exec(line)
    if (!sample) throw new Error(`no sample: ${line}`)
    const [, own = '', labels = '', value] = sample
    const type = families.get(family)!.type
    const allowed = type === 'histogram' ? ['_bucket', '_sum', '_count'].map(each => family + each) : [family]
    if (!allowed.includes(own)) throw new Error(`${own} stands below ${family}`)
    if (samples.has(own + labels)) throw new Error(`${line} comes twice`)
    if (!Number.isFinite(Number(value))) throw new Error(`no number: ${line}`)
    samples.set(own + labels, Number(value))
  }
  return { families, samples }
}
