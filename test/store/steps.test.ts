import t from 'tap'

import { blog, shop, store } from './fixture.ts'

t.test('unfinished steps are listed, oldest first, with what they need', async t => {
  const { apps, steps } = store(t)
  apps.add(shop)
  apps.add(blog)
  const first = steps.begin(shop, { kind: 'rollout', phase: 'starting', data: { release: 1, names: ['a'] } })
  const second = steps.begin(blog, { kind: 'destroy', phase: 'begun', data: {} })
  const pointing = steps.advance(first, { phase: 'pointing' })
  t.strictSame(pointing, { ...first, phase: 'pointing' })
  t.strictSame(steps.list(), [pointing, second])
  const draining = steps.advance(pointing, { phase: 'draining', data: { old: [1, 2] } })
  t.strictSame(draining.data, { old: [1, 2] })
  steps.done(draining)
  steps.done(draining)
  t.strictSame(steps.list(), [second])
})

t.test('a step that is gone does not go on', async t => {
  const { apps, steps } = store(t)
  apps.add(shop)
  const step = steps.begin(shop, { kind: 'destroy', phase: 'begun', data: {} })
  apps.remove(shop)
  t.throws(() => steps.advance(step, { phase: 'removing' }), /destroy of shop is not recorded any more/)
})
