import { setImmediate as turn } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'

import { t } from 'tap'

import { openTraffic } from '../../src/proxy/traffic.ts'

v8.setFlagsFromString('--expose-gc')
const collect: () => void = vm.runInNewContext('gc')

const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}
const exchange = { kind: 'request', end: () => undefined } as const

t.test('folders that were served once, and upstreams that were drained, are remembered no more', async t => {
  const traffic = openTraffic()
  const before = heap()
  for (let n = 0; n < 50_000; n++) {
    traffic.begin({ host: `/srv/release-${n}`, port: 0 }, exchange)()
    const host = `10.0.${n >> 8}.${n & 255}`
    const done = traffic.begin({ host, port: 5000 }, { kind: 'websocket', end: () => setImmediate(done) })
    if (n % 100 === 0) await traffic.drain([`${host}:5000`], { timeoutMs: 0, websocketMs: 0 })
    else {
      done()
      await traffic.drain([`${host}:5000`], { timeoutMs: 0, websocketMs: 0 })
    }
  }
  await turn()
  t.equal(traffic.stats().inFlight, 0)
  const grown = heap() - before
  t.ok(grown < 2_000_000, `${grown} bytes more`)
})
