import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { t } from 'tap'

import { root } from '../../src/settings.ts'

t.test('everything that davit/plugin exports says what it is', t => {
  const folder = join(root, 'src/plugin')
  const index = readFileSync(join(folder, 'index.ts'), 'utf8')
  let count = 0
  for (const [, what, from] of index.matchAll(/export (?:type )?(\*|\{[^}]*\}) from '([^']+)'/g)) {
    const text = readFileSync(join(folder, from!), 'utf8')
    const declared = text.matchAll(
      /(\*\/\n)?^export (?:async )?(?:interface|type|function|const|class) (\w+)/gm,
    )
    const wanted = what === '*' ? undefined : new Set(what!.match(/\w+/g))
    for (const [, comment, name] of declared) {
      if (wanted && !wanted.has(name!)) continue
      t.ok(comment, `${from}: ${name}`)
      count++
    }
  }
  t.ok(count > 100, `${count} are there`)
  t.end()
})
