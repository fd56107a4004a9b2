import t from 'tap'

import { faultGround } from './fault-ground.ts'
import { module } from './plugged.ts'

t.test('what goes wrong in a plugin stays there, and everybody else is served', async t => {
  const { box, install, pushBoth, wasFine } = await faultGround(t)

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
    const blocking = install({ 'index.ts': 'for (;;);' })
    t.match(await pushBoth(), { code: 0 }, 'apps are deployed while it is being read')
    t.match(await blocking, { code: 1, stderr: /it was not read within 10 s/ })
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

  t.test('nobody was refused anything meanwhile', async t => {
    await box.ssh('plugin:uninstall bad')
    await wasFine(t)
  })
})
