import { t } from 'tap'

import { createQueue, orCancelled } from '../../src/deploy/queue.ts'
import { blog, calling, shop } from '../core/workshop.ts'

t.test('changes of one app go one after another, in the order they came', async t => {
  const queue = createQueue()
  const said: string[] = []
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const done = gates.map(({ promise }, at) =>
    queue.exclusive(shop, `change ${at}`, calling(), async () => {
      said.push(`begins ${at}`)
      await promise
      said.push(`ends ${at}`)
      return at
    }),
  )
  for (const gate of gates.toReversed()) gate.resolve()
  t.strictSame(await Promise.all(done), [0, 1, 2])
  t.strictSame(said, ['begins 0', 'ends 0', 'begins 1', 'ends 1', 'begins 2', 'ends 2'])
})

t.test('who waits is told for whom, and who need not wait is told nothing', async t => {
  const queue = createQueue()
  const gate = Promise.withResolvers<void>()
  const [first, second, third] = [calling(), calling(), calling()]
  const all = [
    queue.exclusive(shop, "ann's push to shop", first, () => gate.promise),
    queue.exclusive(shop, "bob's push to shop", second, async () => undefined),
    queue.exclusive(shop, 'ps:scale shop', third, async () => undefined),
  ]
  gate.resolve()
  await Promise.all(all)
  t.strictSame(first.lines, [])
  t.strictSame(second.lines, ["       Waiting for ann's push to shop to end"])
  t.strictSame(third.lines, ["       Waiting for bob's push to shop to end"])
})

t.test('different apps go side by side', async t => {
  const queue = createQueue()
  const met = Promise.withResolvers<void>()
  const call = calling()
  await Promise.all([
    queue.exclusive(shop, 'a', call, () => met.promise),
    queue.exclusive(blog, 'b', call, async () => met.resolve()),
  ])
  t.strictSame(call.lines, [])
})

t.test('a change that fails fails alone', async t => {
  const queue = createQueue()
  const failing = queue.exclusive(shop, 'a', calling(), async () => {
    throw new Error('no room')
  })
  const next = queue.exclusive(shop, 'b', calling(), async () => 'done')
  await t.rejects(failing, { message: 'no room' })
  t.equal(await next, 'done')
  await queue.idle()
  t.notOk(queue.busy(shop))
})

t.test('who leaves while waiting is let go at once; their change is never begun', async t => {
  const queue = createQueue()
  const gate = Promise.withResolvers<void>()
  const leave = new AbortController()
  const said: string[] = []
  const first = queue.exclusive(shop, 'a', calling(), () => gate.promise)
  const second = queue.exclusive(shop, 'b', calling({ signal: leave.signal }), async () => said.push('b'))
  const third = queue.exclusive(shop, 'c', calling(), async () => said.push('c'))
  leave.abort()
  await t.rejects(second, { code: 'cancelled' })
  t.strictSame(said, [], 'the third still waits for the first')
  t.ok(queue.busy(shop))
  gate.resolve()
  await Promise.all([first, third])
  t.strictSame(said, ['c'])
})

t.test('it is known when an app is busy, and when all is done', async t => {
  const queue = createQueue()
  await queue.idle()
  const gate = Promise.withResolvers<void>()
  let isIdle = false
  const change = queue.exclusive(shop, 'a', calling(), () => gate.promise)
  const idle = queue.idle().then(() => {
    isIdle = true
  })
  t.ok(queue.busy(shop))
  t.notOk(queue.busy(blog))
  t.notOk(isIdle)
  gate.resolve()
  await Promise.all([change, idle])
  t.notOk(queue.busy(shop))
})

t.test('a promise is waited for until the signal', async t => {
  const leave = new AbortController()
  t.equal(await orCancelled(Promise.resolve(1), leave.signal), 1)
  await t.rejects(orCancelled(Promise.reject(new Error('x')), leave.signal), { message: 'x' })
  const waiting = orCancelled(new Promise(() => {}), leave.signal)
  leave.abort()
  await t.rejects(waiting, { code: 'cancelled' })
  await t.rejects(orCancelled(Promise.resolve(1), leave.signal), { code: 'cancelled' })
})
