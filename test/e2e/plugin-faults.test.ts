import t from 'tap'

import { settled } from './leftovers.ts'
import { greeted, module, tarOf } from './plugged.ts'
import { sandbox } from './sandbox.ts'
import { openVisitors } from './visitors.ts'

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
    t.match(await install({ 'index.ts': 'throw new Error("no load")' }), {
      code: 1,
      stderr: /no load \(index\.ts:1\)/,
    })
    t.match(await install(module('bad', `start() { throw new Error('no start') }`)), {
      code: 1,
      stderr: /no start \(index\.ts:2\)/,
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
    ['afterRelease', 'is told'],
  ] as const)
    t.test(`one that throws in ${hook} ${kind}`, async t => {
      const handle = `${hook}: { order: 'early', handle(...args) { if (args.at(-2).app.name === 'shop') throw new Error('no luck') } }`
      t.match(await install(module('bad', `hooks: { ${handle} }`)), { code: 0 })
      const { code, text } = await pushBoth()
      t.match(text, new RegExp(`remote: +! +bad stopped ${hook}: no luck \\(index\\.ts:2\\)`))
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
        /bad is off: an error of its own was caught by nobody: loose \(index\.ts:2\)[\s\S]*worse is off: it needs bad, which is off/,
    })
    t.match(await pushBoth(), { code: 0 })
    t.match(await box.ssh('plugin:uninstall worse'), { code: 0 })
  })

  for (const [what, code, reason] of [
    ['ends the process', 'process.exit(3)', 'it ended the process, with exit code 3 (index.ts:2)'],
    ['holds up the loop', 'for (;;);', 'it held up everything for 10 s (index.ts:2)'],
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

  t.test('one that ends the daemon at every start is left off after the third', async t => {
    const files = {
      'index.ts': `import { existsSync, writeFileSync } from 'node:fs'
        export default { name: 'bad', about: '', api: 1, start({ dir }) {
          if (existsSync(dir + '/armed')) process.abort()
          writeFileSync(dir + '/armed', '')
        } }`,
    }
    t.match(await install(files), { code: 0 })
    const ready = box.logged(/"msg":"ready: /)
    process.kill(await box.daemonPid(), 'SIGKILL')
    await ready
    t.match(JSON.parse((await box.ssh('plugin:report bad --format json')).stdout), {
      state: 'off',
      reason: 'the daemon ended 3 times in a row while it was being started',
    })
    t.match(await pushBoth(), { code: 0 })
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
