import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('how the proxy serves a real app is set, and in force, without a new container', async t => {
  const box = await sandbox(t)
  await box.ssh('apps:create shop')
  const shop = await box.checkout('dockerfile-base', 'shop')
  t.equal((await shop.push()).code, 0)
  const containers = await box.containers()
  const status = async (host = 'shop.localhost') => (await box.get(host)).status
  t.equal(await status(), 200)

  t.match(await box.ssh('maintenance:enable shop'), { code: 0, stderr: '' })
  t.equal(await status(), 503)
  await box.ssh('maintenance:disable shop')
  t.match(await box.ssh('http-auth:enable shop ann', { input: 's3cret\n' }), { code: 0, stderr: '' })
  t.equal(await status(), 401)
  t.match(await box.ssh('http-auth:add-allowed-ip shop 127.0.0.1'), { code: 0 })
  t.equal(await status(), 200)
  t.match(await box.ssh('nginx:set shop deny 127.0.0.1'), { code: 0 })
  t.equal(await status(), 403)

  await box.stop()
  await box.start()
  t.equal(await status(), 403, 'a restart changes nothing of it')
  await box.ssh('nginx:set shop deny')
  await box.ssh('http-auth:disable shop')
  t.match(await box.ssh('redirect:set shop old.localhost shop.localhost'), { code: 0 })
  t.equal(await status('old.localhost'), 301)
  t.match((await box.ssh('nginx:show-config shop')).stdout, /^redirects:\n {4}old\.localhost:\n/m)
  t.match(await box.ssh('nginx:validate-config'), { code: 0, stdout: 'shop: ok\n' })
  t.same(await box.containers(), containers)

  t.test('another port for HTTP is a new container that listens there, or nothing', async t => {
    t.match(await box.ssh('ports:set shop http:80:3000'), { code: 0 })
    t.equal(await status(), 200)
    t.equal((await box.ssh('run shop printenv PORT')).stdout, '3000\n')
    const moved = await box.containers()
    t.notSame(moved, containers)
    const fixed = (await shop.git('show', 'HEAD:server.pl')).stdout.replace('$ENV{PORT} || 8000', '3000')
    await shop.write('server.pl', fixed)
    await shop.commit('It listens on 3000, whatever it is told')
    t.equal((await shop.push()).code, 0)
    const serving = async () =>
      JSON.parse((await box.ssh('nginx:show-config shop --format json')).stdout).upstreams
    const before = await serving()
    await box.ssh('checks:set shop deadline 2')
    t.match(await box.ssh('ports:set shop http:80:3001'), { code: 1 })
    t.equal((await box.ssh('ports:report shop --ports-map')).stdout, 'http:80:3000\n')
    t.equal(await status(), 200)
    t.same(await serving(), before)
    t.match(await box.ssh('ports:add shop tcp:19000:3000'), { code: 0 })
    t.same(await serving(), before, 'other ports are the proxy’s alone')
    t.match((await box.ssh('nginx:show-config shop')).stdout, /^ports:\n {4}19000:\n {8}scheme: +tcp\n/m)
  })
})
