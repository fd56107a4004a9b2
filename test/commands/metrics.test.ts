import { t } from 'tap'

import { sparkline } from '../../src/commands/sparkline.ts'
import type { AppMetrics } from '../../src/types.ts'
import { desk, terminal } from '../cli/desk.ts'
import { calling, shop } from '../core/workshop.ts'

const quiet = { requests: 0, errors: 0, p95Ms: null }
const busy: AppMetrics = {
  app: 'shop',
  seconds: 60,
  requests: 744,
  statuses: [0, 700, 20, 20, 4],
  lost: 3,
  received: 60 * 1234,
  sent: 60 * 45_600_000,
  retries: 1,
  ejections: 0,
  inFlight: 5,
  webSockets: 2,
  tcp: null,
  p50Ms: 3.21,
  p95Ms: 31.4,
  p99Ms: 1_234,
  minutes: [
    ...Array(28).fill(quiet),
    { requests: 100, errors: 0, p95Ms: 5 },
    { requests: 700, errors: 4, p95Ms: 31.4 },
  ],
}
const stray: AppMetrics = { ...busy, app: null, requests: 6, p50Ms: null, p95Ms: null, p99Ms: null }

async function asked(t: Parameters<typeof desk>[0], metrics: readonly AppMetrics[]) {
  const { say, core, rooms } = desk(t)
  await core.apps.create(shop, calling())
  const heard: unknown[] = []
  Object.assign(rooms.edge, {
    metrics: async (app?: string) => {
      heard.push(app)
      return metrics.filter(each => app === undefined || each.app === app)
    },
  })
  return { say, heard }
}

t.test('without a terminal it is numbers alone', async t => {
  const { say } = await asked(t, [busy, stray])
  const { code, stdout } = await say('metrics')
  t.equal(code, 0)
  const [head, first, second] = stdout.split('\n').map(line => line.split(/ {2,}/))
  t.same(head!.slice(-5), ['p99-ms', 'in-bytes/s', 'out-bytes/s', 'in-flight', 'websockets'])
  t.same(first, [
    'shop',
    '12.4',
    '700',
    '20',
    '20',
    '4',
    '3',
    '3.2',
    '31.4',
    '1234.0',
    '1234',
    '45600000',
    '5',
    '2',
  ])
  t.match(second, ['(no app)', '0.1', '700', '20', '20', '4', '3', '-', '-', '-'])
})

t.test('at a terminal it has units, and bars where there is room', async t => {
  const { say } = await asked(t, [busy])
  const wide = (await say('metrics', { terminal: { ...terminal, cols: 200 } })).stdout
  t.match(wide, /shop +12\.4 .* 3\.2 ms +31 ms +1\.2 s +1\.2 KB\/s +46 MB\/s +5 +2 +▁{28}▂█\r\n$/)
  t.match(wide, /last 30 min\r\n/)
  t.match((await say('metrics', { terminal: { ...terminal, cols: 104 } })).stdout, / ▁+▂█\r\n$/)
  t.notMatch((await say('metrics', { terminal })).stdout, /█/)
})

t.test('one app has its last half hour beneath', async t => {
  const { say, heard } = await asked(t, [busy, stray])
  const { stdout } = await say('metrics shop', { terminal })
  t.same(heard, ['shop'])
  t.match(stdout, / {7}requests {2}▁{28}▂█ {2}at most 700 a minute\r\n/)
  t.match(stdout, / {7}5xx {7}▁{29}█ {2}at most 4 a minute\r\n/)
  t.match(stdout, / {7}p95 {7}▁{28}▃█ {2}at most 31 ms\r\n/)
})

t.test('an app with connections to its tcp ports has them beneath too', async t => {
  const tcp = { open: 3, connections: 12, failed: 0, received: 60 * 1234, sent: 60 * 45_600_000 }
  const told = async (more: object) => {
    const { say } = await asked(t, [{ ...busy, tcp: { ...tcp, ...more } }])
    return (await say('metrics shop', { terminal })).stdout
  }
  t.match(await told({}), / {7}tcp {7}3 open, 12 new, 1\.2 KB\/s in, 46 MB\/s out\r\n/)
  t.match(await told({ failed: 2 }), / {7}tcp {7}3 open, 12 new, 2 led nowhere, /)
})

t.test('as JSON it is all there is: an object for one app, a list for all', async t => {
  const { say } = await asked(t, [busy, stray])
  t.same(JSON.parse((await say('metrics --format json')).stdout), [busy, stray])
  t.same(JSON.parse((await say('metrics shop --format json')).stdout), busy)
})

t.test('where nothing was asked, that is said; where there is no app, that', async t => {
  const { say } = await asked(t, [])
  t.match(await say('metrics shop'), {
    code: 0,
    stdout: '',
    stderr: / ! {5}shop has not been asked anything since/,
  })
  t.match(await say('metrics'), { code: 0, stderr: /No app has been asked anything since/ })
  t.equal((await say('metrics shop --format json')).stdout, 'null\n')
  t.match(await say('metrics blog'), { code: 20 })
})

t.test('bars are as high as their numbers', async t => {
  t.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7]), '▁▂▃▄▅▆▇█')
  t.equal(sparkline([0, 0, null]), '▁▁▁')
  t.equal(sparkline([1, 1000]), '▂█')
  t.equal(sparkline([7]), '█')
})
