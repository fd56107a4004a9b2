import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { root } from '../../src/settings.ts'
import { greeted, tarOf } from './plugged.ts'
import { sandbox } from './sandbox.ts'

const readme = await readFile(join(root, 'plugins/README.md'), 'utf8')

t.test('programs get what plugins/README.md shows them to get', async t => {
  const box = await sandbox(t)
  const input = await tarOf({
    'plugin.json': shownIn('plugin.json'),
    'hooks/shapeEnv!': '#!/bin/sh\ncat > shapeEnv.json\nenv > shapeEnv.env\n',
    'commands/hello:set!': '#!/bin/sh\nread -r line\necho "$line" > set.json\nenv > set.env\n',
  })
  t.match(await box.ssh('plugin:install -', { input }), { code: 0 })
  const shop = await greeted(box, 'shop')
  await box.ssh('apps:create shop')
  await box.ssh('config:set shop GREETING=Hello')
  t.match(await shop.push(), { code: 0 })
  t.match(await box.ssh('hello:set shop Ahoy sailor --loud'), { code: 0 })
  const kept = (name: string) => readFile(join(box.data, 'plugins/hello/data', name), 'utf8')
  const names = (text: string, form: RegExp) => text.match(form) ?? []
  const variables = [
    ...names(await kept('shapeEnv.env'), /^DAVIT_\w+/gm),
    ...names(await kept('set.env'), /^DAVIT_\w+/gm),
  ]
  t.strictSame([...new Set(variables)].sort(), names(readme, /(?<=^\| `)DAVIT_\w+/gm).sort())
  for (const name of ['shapeEnv', 'set']) {
    const got = JSON.parse(await kept(`${name}.json`))
    t.strictSame(formOf(got), formOf(JSON.parse(shownIn(name))), JSON.stringify(got))
  }
})

for (const [kind, paths] of [
  ['in TypeScript', ['index.ts']],
  [
    'of programs',
    ['plugin.json', 'commands/greeting:set!', 'hooks/shapeEnv!', 'hooks/afterClone!', 'hooks/afterDestroy!'],
  ],
] as const)
  t.test(`the plugin ${kind} that plugins/README.md shows keeps a value for each app`, async t => {
    const box = await sandbox(t)
    const files = paths.map(path => [path, shownIn(`greeting/${path.replace('!', '')}`)])
    const input = await tarOf(Object.fromEntries(files))
    t.match(await box.ssh('plugin:install -', { input }), { code: 0 })
    const shop = await greeted(box, 'shop')
    await box.ssh('apps:create shop')
    t.match(await box.ssh('greeting:set shop Good morning'), {
      code: 0,
      stdout: 'shop greets with: Good morning\n',
    })
    t.match(await shop.push(), { code: 0 })
    const says = async (app: string) => (await box.get(`${app}.localhost`)).body
    t.equal(await says('shop'), 'Good morning//\n')
    t.match(await box.ssh('greeting:set shop Ahoy'), { code: 0 })
    t.equal(await says('shop'), 'Ahoy//\n', 'its containers are new')
    t.match(await box.ssh('apps:clone shop shed'), { code: 0 })
    t.equal(await says('shed'), 'Ahoy//\n')
    t.match(await box.ssh('greeting:set shed Howdy'), { code: 0 })
    t.match(await box.ssh('apps:rename shop store'), { code: 0 })
    t.match(await box.ssh('ps:restart store'), { code: 0 })
    t.equal(await says('store'), 'Ahoy//\n')
    t.equal(await says('shed'), 'Howdy//\n')
    t.match(await box.ssh('greeting:set nowhere Ahoy'), { code: 20 })
    t.match(await box.ssh('apps:destroy shed --force'), { code: 0 })
    t.match(await box.ssh('plugin:report greeting --plugin-last-failure'), { stdout: '\n' })
    const kept = await readdir(join(box.data, 'plugins/greeting/data'))
    t.equal(kept.length, kind === 'of programs' ? 1 : 0, kept.join())
  })

/** What stands in a block under a line that names it. */
function shownIn(name: string): string {
  const [, block] = new RegExp(`<!-- ${name} -->\\n\`\`\`\\w+\\n(.*?)\`\`\``, 's').exec(readme) ?? []
  if (!block) throw new Error(`plugins/README.md shows no ${name}`)
  return block
}

/** The same keys with the same kinds of values; what is a map of the person's own stays one. */
function formOf(given: unknown): unknown {
  if (Array.isArray(given)) return given.slice(0, 1).map(formOf)
  if (typeof given !== 'object' || given === null) return given === null ? 'null' : typeof given
  const isOwn = Object.keys(given).some(key => /^(?:GREETING|web)$/.test(key))
  return isOwn ? 'map' : Object.fromEntries(Object.entries(given).map(([key, value]) => [key, formOf(value)]))
}
