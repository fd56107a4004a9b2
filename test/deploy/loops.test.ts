import { t } from 'tap'

import { createDiskWatch } from '../../src/deploy/disk.ts'
import { createLoops } from '../../src/deploy/loops.ts'
import type { Told } from '../../src/event.ts'
import { workshop } from '../core/workshop.ts'

t.test('three starts within five minutes are a loop, told once an hour', t => {
  let now = 0
  const loops = createLoops(() => now)
  t.notOk(loops.seen('a', 7), 'what was before is not counted')
  t.notOk(loops.seen('a', 9))
  t.ok(loops.seen('a', 10))
  t.notOk(loops.seen('a', 20))
  now += 3_600_001
  t.notOk(loops.seen('a', 21))
  t.ok(loops.seen('a', 24))
  t.end()
})

t.test('starts that lie far apart are none, and ours count too', t => {
  let now = 0
  const loops = createLoops(() => now)
  for (let at = 0; at < 10; at++) {
    t.notOk(loops.seen('a', at))
    now += 200_000
  }
  loops.seen('b', 0)
  for (let at = 0; at < 3; at++) loops.again('b')
  t.ok(loops.seen('b', 0))
  loops.keepOnly(new Set())
  t.notOk(loops.seen('b', 5))
  t.end()
})

t.test('a disk that gets full is told once, and again after it had room', async t => {
  const told: Told[] = []
  const { rooms } = workshop(t)
  const shares = [0.5, 0.09, 0.05, 0.15, 0.08, 0.3, 0.1]
  const free = async () => ({ bytes: 5e9, share: shares.shift()! })
  const look = createDiskWatch({ ...rooms, events: { tell: event => void told.push(event) } }, free)
  const counts: number[] = []
  while (shares.length > 0) {
    await look()
    counts.push(told.length)
  }
  t.strictSame(counts, [0, 1, 1, 1, 1, 1, 2])
  t.match(told[0], { kind: 'disk-low', level: 'warning', text: /has 9 % left: 5\.0 GB/ })
})
