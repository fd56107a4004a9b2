import { join } from 'node:path'

import t from 'tap'

import { decodeSmall, encodeSmall } from '../scripts/bench.d/proxy/frames.ts'
import { percentile, readH2load } from '../scripts/bench.d/proxy/generators.ts'
import { ticksIn } from '../scripts/bench.d/proxy/processes.ts'
import { profileTable, selfTimes } from '../scripts/bench.d/proxy/profile.ts'
import { format, type Line, proxyTable } from '../scripts/bench.d/proxy/table.ts'
import { fill } from '../scripts/bench.d/proxy/template.ts'
import { root } from '../src/settings.ts'
import { run } from './e2e/sandbox.ts'

t.test('scripts/bench proxy says what it can measure', async t => {
  const { code, stdout } = await run(join(root, 'scripts/bench'), ['--help'])
  t.equal(code, 0)
  t.match(stdout, /bench proxy .*--rounds N.*--seconds N.*--workers N.*--only PART/)
})

const small: Line = {
  what: 'small GETs',
  figure: 'CPU a request',
  unit: 'µs',
  values: { Davit: [44, 40, 90], nginx: [20, 19, 60], HAProxy: [21], Caddy: [90, 66, 70] },
  targets: [
    { beside: 'nginx', most: 2.3 },
    { beside: 'Caddy', most: 1 / 1.7 },
  ],
}

t.test('medians are compared with nginx and Caddy, and each target is met or missed', async t => {
  const text = proxyTable([
    small,
    { ...small, figure: 'throughput', unit: '/s', values: { Davit: [7990], nginx: [10_000] }, targets: [] },
    { ...small, what: 'bodies', targets: [{ beside: 'nginx', least: 2.3 }] },
  ])
  t.match(
    text,
    /^small GETs +CPU a request +44\.0 µs +20\.0 µs +21\.0 µs +70\.0 µs +2\.20 +0\.63 +at most 2\.3x nginx, at most 0\.59x Caddy +met, missed$/m,
  )
  t.match(text, /^ +throughput +7,990 \/s +10,000 \/s +– +– +0\.80$/m)
  t.match(text, /^bodies .* at least 2\.3x nginx +missed$/m)
})

t.test('a figure with a target of its own is not compared', async t => {
  const line: Line = { ...small, unit: 'MB', targets: [{ most: 40 }] }
  t.match(proxyTable([line]), /44\.0 MB +20\.0 MB +21\.0 MB +70\.0 MB +at most 40\.0 MB +missed$/m)
})

t.test('what Davit does not do yet is neither met nor missed', async t => {
  const line = { ...small, values: { nginx: [20] } }
  t.match(proxyTable([line]), /not yet +20\.0 µs +– +– +at most 2\.3x nginx, .* +not yet, not yet$/m)
})

t.test('figures are as long as they are exact', async t => {
  t.same(
    [format(1.234, 'ms'), format(12.34, 'ms'), format(123.4, 'ms'), format(1.0299, 'x')],
    ['1.23 ms', '12.3 ms', '123 ms', '1.030'],
  )
  t.equal(format(12_345, 'µs'), '12.3 ms')
})

t.test('CPU is read from behind a name that looks like fields', async t => {
  t.equal(ticksIn('7 (a) b (c)) S 1 7 7 0 -1 4194560 11 0 0 0 123 45 6 7 20 0 13 0 30'), 168)
})

t.test('a template gets its values, and lines for each route', async t => {
  const template = 'listen @PORT@;\n@each route@\n@ROUTE@ to @PORT@\n@end@\nend\n'
  t.equal(
    fill(template, { PORT: '80' }, ['a.test', 'b.test']),
    'listen 80;\na.test to 80\nb.test to 80\nend\n',
  )
  t.equal(fill(template, { PORT: '80' }, []), 'listen 80;\nend\n')
  t.throws(() => fill(template, {}, []), /PORT has no value/)
})

t.test("h2load's answers other than 2xx and those that failed are errors", async t => {
  const summary = [
    'requests: 10 total, 10 started, 9 done, 7 succeeded, 2 failed, 1 errored, 0 timeout',
    'status codes: 6 2xx, 0 3xx, 1 4xx, 0 5xx',
  ].join('\n')
  const log = '1000\t200\t1000\n1001\t200\t9000\n1002\t200\t2000\n'
  t.same(readH2load(summary, log), { requests: 6, errors: 3, p50: 2, p99: 9 })
  t.throws(() => readH2load('Could not connect', ''), /Could not connect/)
})

t.test('a percentile is one of the values', async t => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at)
  t.same([percentile(values, 50), percentile(values, 99), percentile([5], 99)], [101, 199, 5])
})

t.test('a WebSocket frame is what it was, masked or not, however its bytes arrive', async t => {
  const payload = Buffer.from('what goes there comes back')
  for (const mask of [undefined, Buffer.from([1, 2, 3, 255])]) {
    const bytes = encodeSmall(1, payload, mask)
    t.equal(bytes.includes('goes'), mask === undefined)
    for (let cut = 0; cut < bytes.length; cut++) {
      t.same(decodeSmall(bytes.subarray(0, cut)).frames, [], `nothing after ${cut} bytes`)
    }
    const { frames, left } = decodeSmall(Buffer.concat([bytes, bytes, bytes.subarray(0, 3)]))
    t.same(frames, [
      { opcode: 1, payload },
      { opcode: 1, payload },
    ])
    t.same(left, bytes.subarray(0, 3))
  }
})

t.test('time is told by function, most first, without idling', async t => {
  const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('ask', `file://${root}/src/proxy/a.ts`, 9) },
      { id: 3, callFrame: frame('write') },
      { id: 4, callFrame: frame('ask', `file://${root}/src/proxy/a.ts`, 9) },
    ],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [5, 1000, 300, 500, 200],
  }
  t.same(selfTimes(profile), [
    { place: 'ask src/proxy/a.ts:10', time: 500 },
    { place: 'write', time: 500 },
  ])
  t.match(profileTable(profile, 10), /^50\.0 % +50\.00 µs +ask src\/proxy\/a\.ts:10$/m)
})
