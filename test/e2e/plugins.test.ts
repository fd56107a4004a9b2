import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'
import tar from 'tar-stream'

import { gitServer } from '../git/http.ts'
import { settled } from './leftovers.ts'
import { type Checkout, type Sandbox, sandbox } from './sandbox.ts'
import { openVisitors } from './visitors.ts'

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

t.test('what goes wrong in a plugin stays there, and everybody else is served', async t => {
  const box = await sandbox(t)
  const shop = await greeted(box, 'shop')
  const blog = await box.checkout('echo', 'blog')
  await box.ssh('apps:create shop')
  t.match(await shop.push(), { code: 0 })
  t.match(await blog.push(), { code: 0 })
  const visitors = openVisitors({ port: box.httpPort, host: 'blog.localhost' }, ['kept', 'new'])
  t.teardown(() => visitors.stop())
  const pushBlog = async () => {
    await blog.write('attempt', `${Date.now()}\n`)
    await blog.commit('Another')
    return blog.push()
  }
  const pushBoth = async () => {
    await shop.write('attempt', `${Date.now()}\n`)
    await shop.commit('Another')
    const [one, other] = await Promise.all([shop.push(), pushBlog()])
    t.match(other, { code: 0 }, 'the other app is deployed')
    return one
  }
  const install = async (files: Readonly<Record<string, string>>) =>
    box.ssh('plugin:install -', { input: await tarOf(files) })

  t.test('one that throws at load or start, or is for another api, is not taken', async t => {
    t.match(await install({ 'index.ts': 'throw new Error("no load")' }), { code: 1, stderr: /no load/ })
    t.match(await install(module('bad', `start() { throw new Error('no start') }`)), {
      code: 1,
      stderr: /no start/,
    })
    t.match(await install({ 'plugin.json': '{"name": "bad", "about": "", "api": 2}' }), {
      code: 1,
      stderr: /it is for api 2; this Davit speaks api 1/,
    })
    t.match(await install({ 'index.ts': 'for (;;);' }), { code: 1, stderr: /it was not read within 10 s/ })
    t.match(await pushBoth(), { code: 0 })
  })

  for (const [hook, kind] of [
    ['beforeBuild', 'stops'],
    ['findBuilder', 'stops'],
    ['shapeEnv', 'stops'],
    ['beforeRelease', 'stops'],
    ['afterRelease', 'is told'],
  ] as const)
    t.test(`one that throws in ${hook} ${kind}`, async t => {
      const handle = `${hook}: { order: 'early', handle(...args) { if (args.at(-2).app.name === 'shop') throw new Error('no luck') } }`
      t.match(await install(module('bad', `hooks: { ${handle} }`)), { code: 0 })
      const { code, text } = await pushBoth()
      t.match(text, new RegExp(`bad .*${hook}.*no luck|no luck`))
      t.equal(code, kind === 'stops' ? 1 : 0)
    })

  t.test('one that never settles is given up in time', async t => {
    const handle = `beforeRelease: { timeoutMs: 700, handle: ({ app }) => app.name === 'shop' ? new Promise(() => {}) : undefined }`
    await install(module('bad', `hooks: { ${handle} }`))
    t.match(await pushBoth(), { code: 1, text: /did not answer within 0.7 s/ })
  })

  for (const [what, program, says] of [
    ['answers garbage', 'echo garbage', /its answer is no JSON/],
    ['prints a gigabyte', 'exec head -c 1000000000 /dev/zero', /it printed more than 1 MB/],
    ['forks and hangs', 'sleep 1000 & sleep 1000 & wait', /did not answer within 1 s/],
  ] as const)
    t.test(`a program that ${what} stops its own app`, async t => {
      await install({
        'plugin.json': '{"name": "bad", "about": "", "api": 1, "hooks": {"shapeEnv": {"timeoutMs": 1000}}}',
        'hooks/shapeEnv!': `#!/bin/sh\n[ "$DAVIT_APP" = shop ] || exit 0\n${program}\n`,
      })
      t.match(await pushBoth(), { code: 1, text: says })
    })

  t.test('an error that nobody caught turns it off, and those that need it', async t => {
    await install(
      module(
        'bad',
        `hooks: { afterRelease({ app }) { if (app.name === 'shop') setTimeout(() => { throw new Error('loose') }, 1) } }`,
      ),
    )
    await install(module('worse', `needs: ['bad']`))
    const pid = await box.daemonPid()
    const off = box.logged(/The plugin bad is off/)
    t.match(await pushBoth(), { code: 0 })
    await off
    t.equal(await box.daemonPid(), pid)
    t.match(await box.ssh('plugin:list'), {
      stdout: /^bad .* off /m,
      stderr:
        /bad is off: an error of its own was caught by nobody: loose[\s\S]*worse is off: it needs bad, which is off/,
    })
    t.match(await pushBoth(), { code: 0 })
    t.match(await box.ssh('plugin:uninstall worse'), { code: 0 })
  })

  for (const [what, code, reason] of [
    ['ends the process', 'process.exit(3)', 'it ended the process, with exit code 3'],
    ['holds up the loop', 'for (;;);', 'it held up everything for 10 s'],
  ] as const)
    t.test(`one that ${what} is off after the restart, and apps are served meanwhile`, async t => {
      await install(
        module(
          'bad',
          `hooks: { async beforeRelease({ app }) { await null; if (app.name === 'shop') { ${code} } } }`,
        ),
      )
      const ready = box.logged(/"msg":"ready: /)
      await shop.write('attempt', `${Date.now()}\n`)
      await shop.commit('Another')
      t.not((await shop.push()).code, 0)
      await ready
      t.match(JSON.parse((await box.ssh('plugin:report bad --format json')).stdout), { state: 'off', reason })
      t.match(await pushBoth(), { code: 0 })
      t.match(await box.ssh('plugin:enable bad'), { code: 0, stdout: /bad is on/ })
    })

  t.test('nobody was refused anything meanwhile', async t => {
    await box.ssh('plugin:uninstall bad')
    await visitors.stop()
    const lost = visitors.visits.filter(
      ({ outcome }) => outcome.kind !== 'answered' || outcome.status !== 200,
    )
    t.strictSame(lost, [])
    t.ok(visitors.visits.length > 100, `${visitors.visits.length} requests`)
    t.same(await settled(box, { withinMs: 20_000 }), [])
  })
})

t.test('a daemon that is killed on the way has the plugin or has it not', async t => {
  const points = ['copied', 'placed', 'admitted', 'recorded', 'removed'].map(each => `plugin:${each}`)
  const box = await sandbox(t)
  await box.stop()
  await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: points.join() })
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
})

function module(name: string, more: string): Record<string, string> {
  return {
    'index.ts': `import { definePlugin } from 'davit/plugin'
      export default definePlugin({ name: '${name}', about: 'Goes wrong', api: 1, ${more} })`,
  }
}

/** An app that answers with what its environment says. */
async function greeted(box: Sandbox, app: string): Promise<Checkout> {
  const shop = await box.checkout('dockerfile-base', app)
  const server = (await shop.git('show', 'HEAD:server.pl')).stdout
  await shop.write(
    'server.pl',
    server
      .replace('"Built from a Dockerfile\\n"', '"$ENV{GREETING}/$ENV{UNWANTED}/$ENV{WANTED}\\n"')
      .replace('use warnings;', 'no warnings;'),
  )
  await shop.commit('Greets')
  return shop
}

/** A path that ends with `!` is executable. */
async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packed = tar.pack()
  for (const [path, text] of Object.entries(files))
    packed.entry({ name: path.replace('!', ''), mode: path.endsWith('!') ? 0o755 : 0o644 }, text)
  packed.finalize()
  return Buffer.concat(await Array.fromAsync(packed as unknown as AsyncIterable<Buffer>))
}
