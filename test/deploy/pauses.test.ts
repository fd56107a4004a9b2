import t from 'tap'

import { createPauses } from '../../src/deploy/pauses.ts'

t.test('what keeps ending is started again after ever longer pauses, at most a minute', async t => {
  let now = 0
  const pauses = createPauses(() => now)
  const waits: number[] = []
  for (let tries = 0; tries < 9; tries++) {
    t.ok(pauses.due('a'))
    t.notOk(pauses.due('a'))
    waits.push(pauses.next()! - now)
    now = pauses.next()!
  }
  t.same(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  t.ok(pauses.due('b'), 'nobody else waits for it')
})

t.test('only what is down is waited with, and a minute of running forgives', async t => {
  let now = 0
  const pauses = createPauses(() => now)
  t.ok(pauses.due('a'))
  t.equal(pauses.next(), undefined)
  pauses.wait('a')
  t.equal(pauses.next(), 1_000)
  now = 1_000
  t.ok(pauses.due('a'))
  pauses.runs('a', new Date(1_000))
  t.equal(pauses.next(), undefined)
  t.notOk(pauses.due('a'), 'its second end')
  now = 70_000
  pauses.runs('a', new Date(1_000))
  t.ok(pauses.due('a'))
  pauses.wait('a')
  t.equal(pauses.next(), 71_000)
})

t.test('what others took away is not held against it', async t => {
  const pauses = createPauses(() => 0)
  for (const name of ['a', 'b', 'c']) t.ok(pauses.due(name))
  pauses.forget('a')
  t.ok(pauses.due('a'))
  pauses.keepOnly(new Set(['a']))
  t.ok(pauses.due('b'))
  t.notOk(pauses.due('a'))
  pauses.forgetAll()
  t.ok(pauses.due('a'))
})
