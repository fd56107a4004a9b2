import { t } from 'tap'

import { openIds } from '../../src/proxy/ids.ts'

t.test('ids have the form of UUIDs, and none comes twice, whoever makes them', async t => {
  const makers = [openIds(), openIds()]
  const ids = Array.from({ length: 200_000 }, (_, at) => makers[at % 2]!())
  t.equal(new Set(ids).size, ids.length)
  const other = ids.find(
    id => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id),
  )
  t.equal(other, undefined)
})

t.test('after as many as have a beginning in common comes another beginning', async t => {
  const next = openIds()
  const first = next()
  let last = first
  for (let made = 1; made < 2 ** 24; made++) last = next()
  t.equal(last.slice(0, -6), first.slice(0, -6))
  t.not(next().slice(0, -6), first.slice(0, -6))
})
