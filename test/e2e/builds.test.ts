import { once } from 'node:events'

import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('what is under way can be seen, cancelled, locked out and renamed', async t => {
  const box = await sandbox(t)
  const good = await box.checkout('dockerfile-base', 'shop')
  t.match(await good.push(), { code: 0 })
  const before = { containers: await box.containers(), images: await box.images() }

  t.test('builds:cancel undoes a push that is not live yet', async t => {
    const slow = await box.checkout('broken-never-listens', 'slow')
    await slow.git('remote', 'set-url', 'davit', 'davit:shop')
    const pushing = slow.push('--force', 'main')
    const follow = await untilRunning()
    const watch = box.sshProcess(['davit', 'builds:output shop current'])
    const [first] = await once(watch.stdout!, 'data')
    t.match(String(first), /Building shop/, 'its output can be followed')
    const watched = once(watch, 'close')
    t.match(await box.ssh('builds:cancel shop'), { code: 0, stdout: /Build \d+ is cancelled/ })
    await watched
    const pushed = await pushing
    t.not(pushed.code, 0)
    t.match(pushed.text, /Cancelled before it was live/)
    t.match(follow, { status: 'running', kind: 'build', what: 'push', by: 'ann' })
    t.same(await box.containers(), before.containers)
    t.same(await box.images(), before.images)
    t.match((await box.ssh('builds:list shop')).stdout, /^\d+ +build +cancelled .* ann +push$/m)
    t.match(await box.ssh('builds:cancel shop'), { code: 0, stderr: /Nothing is under way/ })
  })

  t.test('what a build said can be read again', async t => {
    const [last] = JSON.parse((await box.ssh('builds:list shop --format json --status succeeded')).stdout)
    t.match(
      (await box.ssh(`builds:output shop ${last.id}`)).stdout,
      /-----> Building shop with dockerfile[\s\S]*shop is deployed/,
    )
    t.match((await box.ssh(`builds:info shop ${last.id}`)).stdout, /status: +succeeded/)
    t.match(await box.ssh('builds:info shop 999'), { code: 1, stderr: /no build 999/ })
    t.match(await box.ssh('builds:prune shop --keep 0'), { code: 0, stdout: /2 builds forgotten/ })
    t.match(await box.ssh('builds:output shop'), { code: 1, stderr: /has no builds/ })
  })

  t.test('a locked app is not deployed by a push', async t => {
    t.match(await box.ssh('apps:locked shop'), { code: 1, stdout: 'false\n' })
    t.match(await box.ssh('apps:lock shop'), { code: 0 })
    t.match(await box.ssh('apps:locked shop'), { code: 0, stdout: 'true\n' })
    await good.write('note', 'more')
    await good.commit('More')
    t.match(await good.push(), { code: 1, text: /shop is locked/ })
    t.match(await box.ssh('apps:unlock shop'), { code: 0 })
    t.match(await good.push(), { code: 0 })
  })

  t.test('a push to a stopped app starts it', async t => {
    await box.ssh('ps:stop shop')
    await good.write('note', 'again')
    await good.commit('Again')
    t.match(await good.push(), { code: 0 })
    t.equal((await box.get('shop.localhost')).status, 200)
    t.match((await box.ssh('ps:report shop --ps-running')).stdout, 'true\n')
  })

  t.test('config stored without a restart goes live with the next one', async t => {
    t.match(await box.ssh('config:set --no-restart shop COLOUR=blue'), { code: 0 })
    t.equal((await box.ssh('run shop printenv COLOUR')).code, 1)
    t.match(await box.ssh('ps:restart shop'), { code: 0 })
    t.equal((await box.ssh('run shop printenv COLOUR')).stdout, 'blue\n')
  })

  t.test('a renamed app is found under its new name, with all it had', async t => {
    t.match(await box.ssh('apps:rename shop store'), { code: 0, stdout: /set-url davit/ })
    t.equal((await box.get('store.localhost')).status, 200)
    t.equal((await box.get('shop.localhost')).status, 404)
    t.match((await box.containers()).join(), /-store\.web\.1\./)
    t.match(await box.ssh('config:get store COLOUR'), { code: 0, stdout: 'blue\n' })
    t.match(await box.ssh('logs store -n 1'), { code: 0 })
    t.match(await box.ssh('apps:rename store store'), { code: 1, stderr: /Name is already taken/ })
    t.match(await box.ssh('apps:rename gone there'), { code: 20 })
    t.match(await box.ssh('releases:rollback store'), { code: 0 })
    const next = await box.checkout('dockerfile-base', 'shop2')
    await next.git('remote', 'set-url', 'davit', 'davit:shop')
    t.match(await next.push(), { code: 0 }, 'another app takes the old name')
    t.match(await box.ssh('--force apps:destroy shop'), { code: 0 })
    t.equal((await box.get('store.localhost')).status, 200, 'and goes again without harm to the first')
    t.match(await box.ssh('--force apps:destroy store'), { code: 0 })
    t.same(await box.containers(), [])
    t.same(await box.networks(), [])
    t.same(await box.images(), [])
  })

  async function untilRunning() {
    for (;;) {
      const { stdout } = await box.ssh('builds:list shop --format json --status running')
      const [first] = JSON.parse(stdout)
      if (first) return first
    }
  }
})
