import t from 'tap'

import { orders, reboots } from '../../scripts/chaos.d/reboot.ts'

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can have an engine of its own' }

t.test('a host that goes down serves again without a deploy, whichever comes up first', asRoot, async t => {
  const end = new AbortController()
  t.teardown(() => end.abort())
  const done = await reboots({ apps: 2, withinMs: 60_000, say: t.comment, signal: end.signal })
  t.same(
    done.map(each => each.order),
    orders,
  )
  for (const { order, ms, wrong } of done) t.same(wrong, [], `${order}: all serve after ${ms} ms`)
})
