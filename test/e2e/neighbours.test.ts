import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('two instances on one engine do not see each other', async t => {
  const [one, two] = await Promise.all([sandbox(t), sandbox(t)])
  const [first, second] = await Promise.all([
    one.checkout('dockerfile-base', 'shop'),
    two.checkout('dockerfile-base', 'shop'),
  ])
  t.match(await Promise.all([first.push(), second.push()]), [{ code: 0 }, { code: 0 }])
  t.equal((await one.ssh('apps:list')).stdout, 'shop\n')
  t.same((await one.containers()).length, 1)
  t.match((await one.containers())[0], new RegExp(`^${one.instance}-shop\\.web\\.1\\.`))
  await one.ssh('--force apps:destroy shop')
  t.same(await one.containers(), [])
  t.same((await two.containers()).length, 1)
  t.equal((await two.get('shop.localhost')).status, 200)
  t.equal((await one.get('shop.localhost')).status, 404)
})
