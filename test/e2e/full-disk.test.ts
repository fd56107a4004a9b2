import t from 'tap'

import { meetFullDisk } from '../../scripts/chaos.d/full.ts'
import { openGround } from '../../scripts/chaos.d/ground.ts'
import { moments } from '../../scripts/chaos.d/moments.ts'

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can mount a disk' }

// Each on a disk of its own: most of the time is spent waiting for an engine. tap writes into what it is handed, so each has its own.
t.jobs = 2
for (const disk of ['davit', 'engine'] as const) {
  t.test(
    `a full disk of ${disk}'s is told, damages nothing, and with room work goes on`,
    { ...asRoot },
    async t => {
      const ground = await openGround({ disk, ownEngine: disk === 'engine' })
      t.teardown(ground.close)
      for (const moment of moments.filter(each => each.disk === disk)) {
        await t.test(moment.about, async t => {
          const { findings } = await meetFullDisk(moment, ground)
          for (const { what, ok, found } of findings) t.ok(ok, what, { found })
        })
      }
    },
  )
}
