import { t } from 'tap'

import { receipt, receiptOf } from '../../src/deploy/arrival.ts'
import type { Crossing } from '../../src/edge/wire.ts'
import { calling, shop, workshop } from '../core/workshop.ts'

const crossing: Crossing = {
  requests: 124,
  lost: 0,
  errors: 0,
  slowestMs: 30.2,
  underWay: 0,
  byRelease: { 3: 61, 4: 63 },
}

t.test('a receipt tells how many requests crossed over, and what became of them', async t => {
  t.equal(
    receiptOf(crossing),
    '124 requests across the switch (61 by release 3, 63 by release 4): none failed, slowest 31 ms',
  )
  t.equal(
    receiptOf({ ...crossing, lost: 2, errors: 1, underWay: 3, slowestMs: 12_345 }),
    '124 requests across the switch (61 by release 3, 63 by release 4): 2 failed, 1 answered with 5xx, slowest 12 s, 3 still under way',
  )
  t.equal(
    receiptOf({ ...crossing, requests: 1, byRelease: { 4: 1 } }),
    '1 request across the switch: none failed, slowest 31 ms',
  )
  t.equal(
    receiptOf({ ...crossing, requests: 0, byRelease: {}, slowestMs: 0, underWay: 1 }),
    '0 requests across the switch: none failed, 1 still under way',
  )
})

t.test('where nobody came there is none, and a proxy that is away is no failure', async t => {
  const { core, rooms } = workshop(t)
  const app = await core.apps.create(shop, calling())
  const said = async (told: () => Promise<Crossing>) => {
    const call = calling()
    await receipt(app, call, { ...rooms, edge: { ...rooms.edge, crossing: told } })
    return call.lines
  }
  t.same(await said(async () => ({ ...crossing, requests: 0, byRelease: {} })), [])
  t.match(await said(async () => crossing), [/^-----> 124 requests across the switch/])
  t.same(await said(() => Promise.reject(new Error('away'))), [])
})
