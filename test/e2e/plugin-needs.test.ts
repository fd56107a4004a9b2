import t from 'tap'

import { faultGround } from './fault-ground.ts'
import { module } from './plugged.ts'

t.test('a plugin that loses what it needs is off and says so, and everybody else is served', async t => {
  const { box, install, pushBoth, wasFine } = await faultGround(t)
  const greets = (word: string) =>
    module('base', `hooks: { shapeEnv: env => ({ ...env, GREETING: '${word}' }) }`)
  const leans = module(
    'leaning',
    `needs: ['base'], hooks: { beforeRelease({}, { out }) { out('leaning hears') } }`,
  )
  const events = async () => (await box.ssh('events -n 40')).stdout
  const listed = () => box.ssh('plugin:list')
  const heard = async () => {
    const { code, text } = await pushBoth()
    t.equal(code, 0, text)
    return /leaning hears/.test(text)
  }

  t.test('nobody takes it away from under it', async t => {
    t.match(await install(greets('one')), { code: 0 })
    t.match(await install(leans), { code: 0 })
    t.ok(await heard())
    for (const verb of ['disable', 'uninstall'])
      t.match(await box.ssh(`plugin:${verb} base`), {
        code: 1,
        stderr: new RegExp(`base cannot be ${verb}e?d: leaning needs it`),
      })
    t.match(await install(module('base', `start() { throw new Error('no luck') }`)), {
      code: 1,
      stderr: /no luck/,
    })
    t.match(await listed(), { stdout: /^base .* on [\s\S]*^leaning .* on /m, stderr: '' })
    t.ok(await heard())
    t.match((await box.get('shop.localhost')).body, /^one\//)
  })

  t.test('off together by hand, it comes back only with what it needs', async t => {
    for (const name of ['leaning', 'base']) t.match(await box.ssh(`plugin:disable ${name}`), { code: 0 })
    t.notOk(await heard())
    t.match(await box.ssh('plugin:enable leaning'), { code: 1, stderr: /it needs base, which is off/ })
    t.match(await box.ssh('plugin:uninstall base'), { code: 0 })
    t.match(await box.ssh('plugin:enable leaning'), { code: 1, stderr: /it needs base, which is not there/ })
    t.match(await listed(), { stderr: /leaning is off: it is disabled/ })
    t.match(await events(), /The plugin leaning was disabled[\s\S]*The plugin base was uninstalled/)
    t.notOk(await heard())
    t.match(await install(greets('two')), { code: 0 })
    t.match(await box.ssh('plugin:enable leaning'), { code: 0 })
    t.ok(await heard())
  })

  t.test('what fails while it runs takes it along', async t => {
    const loose = `hooks: { afterRelease({ app }) { if (app.name === 'shop') setTimeout(() => { throw new Error('loose') }, 1) } }`
    t.match(await install(module('base', loose)), { code: 0 })
    const off = box.logged(/The plugin leaning is off/)
    t.ok(await heard())
    await off
    t.match(await listed(), {
      stderr: /base is off: .* loose[\s\S]*leaning is off: it needs base, which is off/,
    })
    t.match(
      await events(),
      /The plugin base is off: .*loose[\s\S]*The plugin leaning is off: it needs base, which is off/,
    )
    t.notOk(await heard())
    t.match(await install(greets('three')), { code: 0 })
    t.ok(await heard(), 'it is back with another version')
  })

  t.test('what fails at a start of the daemon leaves it off', async t => {
    const once = module(
      'base',
      `start({ kv }) { if (kv.get('armed')) throw new Error('no second start'); kv.set('armed', true) }`,
    )
    t.match(await install(once), { code: 0 })
    t.ok(await heard())
    const ready = box.logged(/"msg":"ready: /)
    process.kill(await box.daemonPid(), 'SIGTERM')
    await ready
    t.match(await listed(), {
      stdout: /^base .* off [\s\S]*^leaning .* off /m,
      stderr:
        /base is off: it did not start: no second start[\s\S]*leaning is off: it needs base, which is off/,
    })
    t.match(
      await events(),
      /The plugin base is off: it did not start: no second start.*\n(.*\n)*.*The plugin leaning is off: it needs base/,
    )
    t.notOk(await heard())
  })

  t.test('nobody was refused anything meanwhile', async t => {
    for (const name of ['leaning', 'base']) t.match(await box.ssh(`plugin:uninstall ${name}`), { code: 0 })
    await wasFine(t)
  })
})
