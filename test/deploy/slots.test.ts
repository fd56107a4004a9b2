import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { createSlots } from '../../src/deploy/slots.ts'
import { calling } from '../core/workshop.ts'

t.test('so many go side by side, the next waits and is told so, in the order they came', async t => {
  const slots = createSlots(() => 2)
  const said: number[] = []
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>())
  const calls = gates.map(() => calling())
  const done = gates.map(({ promise }, at) =>
    slots.take(calls[at]!, async () => {
      said.push(at)
      await promise
      return at
    }),
  )
  await turn()
  t.strictSame(said, [0, 1])
  t.strictSame(
    calls.map(each => each.lines),
    [
      [],
      [],
      ['       Waiting for a place: 2 builds are under way'],
      ['       Waiting for a place: 2 builds are under way'],
    ],
  )
  gates[1]!.resolve()
  await done[1]
  await turn()
  t.strictSame(said, [0, 1, 2])
  for (const gate of gates) gate.resolve()
  t.strictSame(await Promise.all(done), [0, 1, 2, 3])
})

t.test('a failure gives its place back', async t => {
  const slots = createSlots(() => 1)
  const failing = slots.take(calling(), async () => {
    throw new Error('no room')
  })
  const next = slots.take(calling(), async () => 'done')
  await t.rejects(failing, { message: 'no room' })
  t.equal(await next, 'done')
})

t.test('who leaves while waiting takes no place, not even one that came free at the same moment', async t => {
  const slots = createSlots(() => 1)
  const gate = Promise.withResolvers<void>()
  const leave = new AbortController()
  const first = slots.take(calling(), () => gate.promise)
  const second = slots.take(calling({ signal: leave.signal }), async () => 'second')
  gate.resolve()
  leave.abort()
  await first
  await t.rejects(second, { code: 'cancelled' })
  t.equal(await slots.take(calling(), async () => 'third'), 'third')
})

t.test('more places can be had while some wait', async t => {
  let limit = 1
  const slots = createSlots(() => limit)
  const gate = Promise.withResolvers<void>()
  const met = Promise.withResolvers<void>()
  const first = slots.take(calling(), () => gate.promise)
  const others = [slots.take(calling(), () => met.promise), slots.take(calling(), async () => met.resolve())]
  limit = 2
  gate.resolve()
  await Promise.all([first, ...others])
  t.pass('both of the others were at work at once')
})
