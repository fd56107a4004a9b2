import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

import { withReference } from '../../scripts/plugin-reference.ts'
import { hookNames } from '../../src/plugin/hooks.ts'
import { root } from '../../src/settings.ts'

const readme = readFileSync(join(root, 'plugins/README.md'), 'utf8')

t.test('the reference of hooks in plugins/README.md is what the types say', async t => {
  t.equal(readme, withReference(readme), 'write it anew with: node scripts/plugin-reference.ts')
})

t.test('every hook is in it, with when it is called', async t => {
  for (const name of hookNames) t.match(readme, new RegExp(`^\\| \`${name}\` \\| \\w[^|]+ \\| \``, 'm'), name)
})
