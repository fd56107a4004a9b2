import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('apps reach each other over a network that they share, by their names, and not otherwise', async t => {
  const box = await sandbox(t)
  for (const app of ['shop', 'blog']) {
    await box.ssh(`apps:create ${app}`)
    t.equal((await (await box.checkout('dockerfile-base', app)).push()).code, 0)
  }
  const look = () =>
    box.ssh(`run blog perl -MIO::Socket -e 'exit(IO::Socket::INET->new("shop.web:8000") ? 0 : 3)'`)
  t.equal((await look()).code, 3)
  t.match(await box.ssh('network:set shop attach-post-create back'), { code: 1, stderr: /no network back/ })
  t.match(await box.ssh('network:create back'), { code: 0, stderr: '' })
  t.match(await box.ssh('network:create back'), { code: 1, stderr: /There is a network back/ })
  for (const app of ['shop', 'blog'])
    t.match(await box.ssh(`network:set ${app} attach-post-create back`), { code: 0 })
  t.match(await box.ssh('network:rebuildall'), { code: 0 })
  t.equal((await look()).code, 0)
  t.equal((await box.get('shop.localhost')).status, 200, 'the proxy reaches it as before')
  t.match(await box.ssh('network:info back'), { stdout: /apps: +blog shop/ })
  t.match(await box.ssh('-- --force network:destroy back'), { code: 1, stderr: /is used by blog, shop/ })

  await box.stop()
  const [web] = (await box.containers()).filter(each => each.includes('shop.web'))
  await box.engine.remove(web!)
  await box.start()
  for (let tries = 0; tries < 100 && (await look()).code !== 0; tries++);
  t.equal((await look()).code, 0, 'a container that was lost joins again when it is brought back')

  for (const app of ['shop', 'blog']) await box.ssh(`network:set ${app} attach-post-create`)
  t.match(await box.ssh('network:rebuild shop'), { code: 0 })
  t.match(await box.ssh('network:rebuild blog'), { code: 0 })
  t.equal((await look()).code, 3)
  t.match(await box.ssh('-- --force network:destroy back'), { code: 0, stderr: '' })
  t.equal((await box.ssh('network:exists back')).code, 1)
})
