import t from 'tap'

import { openRetentionGround, retain } from '../../scripts/bench.d/retained.ts'

const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can have an engine of its own' }

t.test('deploy after deploy leaves ten images, their outputs and nothing else', asRoot, async t => {
  const ground = await openRetentionGround()
  t.teardown(ground.close)
  const { findings } = await retain(ground, { apps: 1, deploys: 13 })
  for (const { what, ok, found } of findings) t.ok(ok, what, { found })
  const { ssh } = ground.box
  t.match(await ssh('cleanup'), { code: 0, stdout: /^Gone: 0 images, \d+ MB of build cache\n$/ })
  t.match(await ssh('cleanup app-1'), { code: 0, stdout: 'Gone: 0 images\n' })
})
