import t from 'tap'

import { faultGround } from './fault-ground.ts'
import { module } from './plugged.ts'

// Side by side: most of the time is spent waiting, for a daemon that is given up, and for the supervisor, which waits longer each time.
t.jobs = 2

t.test('a plugin that ends the daemon is off after it, and everybody else is served', async t => {
  const { box, install, pushShop, pushBoth, wasFine } = await faultGround(t)

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
      t.not((await pushShop()).code, 0)
      await ready
      t.match(JSON.parse((await box.ssh('plugin:report bad --format json')).stdout), { state: 'off', reason })
      t.match(await pushBoth(), { code: 0 })
      t.match(await box.ssh('plugin:enable bad'), { code: 0, stdout: /bad is on/ })
    })

  t.test('nobody was refused anything meanwhile', async t => {
    await box.ssh('plugin:uninstall bad')
    await wasFine(t)
  })
})

t.test(
  'one that ends the daemon at every start is left off after the third, and everybody else is served',
  async t => {
    const { box, install, pushBoth, wasFine } = await faultGround(t)
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
    await box.ssh('plugin:uninstall bad')
    await wasFine(t)
  },
)
