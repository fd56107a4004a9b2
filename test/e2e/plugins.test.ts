import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { crashedAt } from '../../src/deploy/crash.ts'
import { root } from '../../src/settings.ts'
import { gitServer } from '../git/http.ts'
import { greeted, module, tarOf } from './plugged.ts'
import { sandbox } from './sandbox.ts'

const greeter = `#!/usr/bin/env python3
import json, sys
asked = json.load(sys.stdin)
print(json.dumps({"GREETING": "Hello from Python to " + asked["event"]["app"]["name"], "UNWANTED": None}))
`

const policy = `#!/bin/sh
[ "$DAVIT_APP" = shop ] && [ -e closed ] && { echo 'No releases of shop while the shop is closed.' >&2; exit 1; }
echo "The policy has nothing against $DAVIT_APP."
`

const closing = `#!/bin/sh
touch closed
echo 'The shop is closed.'
`

t.test('plugins in Python and sh, from a repository and from a tar, take part in a real deploy', async t => {
  const box = await sandbox(t)
  const server = await gitServer(t)
  const commit = await server.commit('greeter', {
    'plugin.json': JSON.stringify({ name: 'greeter', about: 'Greets', api: 1 }),
    'hooks/shapeEnv': greeter,
  })
  await server.git('greeter', 'update-index', '--chmod=+x', 'hooks/shapeEnv')
  await server.git('greeter', 'commit', '-q', '--amend', '-m', 'Executable')
  const pinned = await server.git('greeter', 'rev-parse', 'HEAD')
  t.not(pinned, commit)

  t.match(await box.ssh(`plugin:install ${server.url}/greeter.git --committish main`), {
    code: 0,
    stdout: `greeter is installed, at ${pinned.slice(0, 10)}`,
  })
  const input = await tarOf({
    'plugin.json': JSON.stringify({
      name: 'policy',
      about: 'Says when',
      api: 1,
      commands: { 'policy:close': { about: 'Close the shop' } },
    }),
    'hooks/beforeRelease!': policy,
    'commands/policy:close!': closing,
  })
  t.match(await box.ssh('plugin:install -', { input }), { code: 0, stdout: /policy is installed/ })

  const shop = await greeted(box, 'shop')
  await box.ssh('apps:create shop')
  await box.ssh('config:set shop UNWANTED=1 WANTED=2')
  t.match(await shop.push(), { code: 0, text: /remote: +The policy has nothing against shop\./ })
  t.equal((await box.get('shop.localhost')).body, 'Hello from Python to shop//2\n')

  t.match(await box.ssh('policy:close'), { code: 0, stdout: 'The shop is closed.\n' })
  t.match(await box.ssh('policy:help'), { stdout: /Says when[\s\S]*policy:close +Close the shop/ })
  await shop.write('attempt', 'Another')
  await shop.commit('Another')
  t.match(await shop.push(), {
    code: 1,
    text: /remote: +! +No releases of shop while the shop is closed\.\s+remote: +! +The plugin policy says so\./,
  })
  t.equal((await box.get('shop.localhost')).status, 200)
  t.match(await box.ssh('plugin:uninstall policy'), { code: 0 })
  t.match(await box.ssh('policy:close'), { code: 1, stderr: /is not a davit command/ })
  t.match(await shop.push(), { code: 0 })
})

t.test('programs get what plugins/README.md shows them to get', async t => {
  const box = await sandbox(t)
  const readme = await readFile(join(root, 'plugins/README.md'), 'utf8')
  const input = await tarOf({
    'plugin.json': shownIn(readme, 'plugin.json'),
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
    t.strictSame(formOf(got), formOf(JSON.parse(shownIn(readme, name))), JSON.stringify(got))
  }
})

/** What stands in a block under a line that names it. */
function shownIn(readme: string, name: string): string {
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

for (const [kind, paths] of [
  ['in TypeScript', ['index.ts']],
  [
    'of programs',
    ['plugin.json', 'commands/greeting:set!', 'hooks/shapeEnv!', 'hooks/afterClone!', 'hooks/afterDestroy!'],
  ],
] as const)
  t.test(`the plugin ${kind} that plugins/README.md shows keeps a value for each app`, async t => {
    const box = await sandbox(t)
    const readme = await readFile(join(root, 'plugins/README.md'), 'utf8')
    const files = paths.map(path => [path, shownIn(readme, `greeting/${path.replace('!', '')}`)])
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

t.test('a daemon that is killed on the way has the plugin or has it not', async t => {
  const points = ['copied', 'placed', 'admitted', 'recorded', 'removed'].map(each => `plugin:${each}`)
  const box = await sandbox(t)
  await box.stop()
  const purges = ['plugin:purging', 'plugin:purged'] as const
  await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: [...points, ...purges].join() })
  const folder = join(box.data, 'plugins')
  const versions = async () =>
    (await readdir(folder, { recursive: true })).filter(each => /[0-9a-f]{40}$|^\.new/.test(each))
  const input = await tarOf(module('kept', 'commands: []'))
  for (const point of points) {
    const ready = box.logged(/"msg":"ready: /)
    const line = point === 'plugin:removed' ? 'plugin:uninstall kept' : 'plugin:install -'
    t.not((await box.ssh(line, { input })).code, 0, point)
    await ready
    const isThere = point === 'plugin:recorded'
    t.equal((await box.ssh('plugin:installed kept')).code, isThere ? 0 : 1, point)
    t.equal((await versions()).length, isThere ? 1 : 0, point)
    if (isThere) t.equal((await box.ssh('plugin:report kept --plugin-state')).stdout, 'on\n')
  }
  t.match(await box.ssh('plugin:install -', { input }), { code: 0 })
  t.equal((await box.ssh('plugin:installed kept')).code, 0)
  const ready = box.logged(/"msg":"ready: /)
  t.not((await box.ssh('plugin:uninstall kept --purge --force')).code, 0)
  await ready
  t.equal((await box.ssh('plugin:installed kept')).code, 1)
  t.notOk(
    (await readdir(folder)).includes('kept'),
    'what it kept is gone, though the next daemon was killed at that too',
  )
  for (const point of purges) t.ok(existsSync(crashedAt(point, box.data)), point)
  t.match(await box.ssh('plugin:install -', { input }), { code: 0 })
})
