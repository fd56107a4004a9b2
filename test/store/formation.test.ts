import t from 'tap'

import { shop, store } from './fixture.ts'

t.test('counts that are not named stay', async t => {
  const { apps, formation } = store(t)
  apps.add(shop)
  formation.set(shop, { web: 1, worker: 2 })
  formation.set(shop, { web: 0 })
  t.strictSame(formation.of(shop), { web: 0, worker: 2 })
})

t.test('a count below zero, or of half a process, changes nothing', async t => {
  const { apps, formation } = store(t)
  apps.add(shop)
  t.throws(() => formation.set(shop, { web: 1, worker: -1 }))
  t.throws(() => formation.set(shop, { web: 1, worker: 0.5 }))
  t.throws(() => formation.set(shop, { web: 1, 'a b': 1 }))
  t.strictSame(formation.of(shop), {})
})
