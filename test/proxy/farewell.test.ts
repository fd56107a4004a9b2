import { t } from 'tap'

import { countFrames } from '../../src/proxy/farewell.ts'

t.test('frames of every length are counted, however they arrive', async t => {
  const frames = [
    Buffer.from([0x81, 0]),
    Buffer.from([0x81, 2, 1, 2]),
    Buffer.from([0x81, 0x81, 9, 9, 9, 9, 1]),
    Buffer.concat([Buffer.from([0x82, 126, 1, 0]), Buffer.alloc(256)]),
    Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(65536)]),
  ]
  const whole = Buffer.concat(frames)
  const ends = new Set<number>()
  let end = 0
  for (const each of frames) {
    end += each.length
    ends.add(end)
  }
  for (const size of [1, 3, 100, whole.length]) {
    const count = countFrames()
    for (let at = 0; at < whole.length; at += size) {
      count.take(whole.subarray(at, at + size))
      const reached = Math.min(at + size, whole.length)
      if (count.between() !== ends.has(reached)) t.fail(`at ${reached} by ${size}`)
    }
    t.ok(count.between())
  }
})
