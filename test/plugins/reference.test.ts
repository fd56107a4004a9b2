import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

import { withReference } from '../../scripts/plugin-reference.ts'
import { hookNames } from '../../src/plugin/hooks.ts'
import * as exported from '../../src/plugin/index.ts'
import { root } from '../../src/settings.ts'
import { desk } from '../cli/desk.ts'

const readme = readFileSync(join(root, 'plugins/README.md'), 'utf8')

t.test('the reference in plugins/README.md is what the types say', async t => {
  t.equal(readme, withReference(readme), 'write it anew with: node scripts/plugin-reference.ts')
})

t.test('every hook is in it, with when it is called', async t => {
  for (const name of hookNames)
    t.ok(new RegExp(`^\\| \`${name}\` \\| \\w[^|]+ \\| \``, 'm').test(readme), name)
})

t.test('everything that core has is in it, with a sentence that says more than its errors', async t => {
  const { core } = desk(t)
  const names = Object.entries(core).flatMap(([name, part]) =>
    typeof part === 'object' ? Object.keys(part).map(member => `${name}.${member}`) : [name],
  )
  t.ok(names.length > 80, `${names.length} are there`)
  for (const name of names)
    t.ok(new RegExp(`^\\| \`${name}[(:].*\` \\| (?!UserError|Throws)\\w.*[.!?] \\|$`, 'm').test(readme), name)
})

t.test('everything that davit/plugin exports at run time is in it', async t => {
  for (const name of Object.keys(exported)) t.ok(new RegExp(`^\\| \`${name}[<(\`]`, 'm').test(readme), name)
})

t.test('every builder of arguments has an example, how that is typed, and what run gets', async t => {
  const [, rows = ''] = /### Arguments of commands\n(.*?)\n###/s.exec(readme) ?? []
  t.match(rows, /^\| `many` \| .* \| `words: many\(text\('WORD'\)\)` \| `WORD\.\.\.` \| `T\[\]` \|$/m)
  t.match(rows, /^\| `flag` \| .* \| `\[-l\\\|--loud\]` \| `boolean` \|$/m)
  t.match(rows, /^\| `whole` \| .* \| `\[--seconds VALUE\]` \| `number` \|$/m)
})
