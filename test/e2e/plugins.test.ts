import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { crashedAt } from '../../src/deploy/crash.ts'
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

t.test('a daemon that is killed on the way has the plugin or has it not', async t => {
  const points = ['copied', 'placed', 'admitted', 'recorded', 'removed'].map(each => `plugin:${each}`)
  const box = await sandbox(t)
  const purges = ['plugin:purging', 'plugin:purged'] as const
  /** The supervisor waits longer before each start of a daemon that dies again and again; it is killed once at each point. */
  const restart = async () => {
    await box.stop()
    await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: [...points, ...purges].join() })
  }
  await restart()
  const folder = join(box.data, 'plugins')
  const versions = async () =>
    (await readdir(folder, { recursive: true })).filter(each => /[0-9a-f]{40}$|^\.new/.test(each))
  const input = await tarOf(module('kept', 'commands: []'))
  for (const point of points) {
    if (point === 'plugin:recorded') await restart()
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
  await restart()
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
