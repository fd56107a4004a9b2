import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { t } from 'tap'

import type { Plugin } from '../../src/plugin/define.ts'
import type { Route } from '../../src/types.ts'
import { blog, calling, shop, workshop } from './workshop.ts'

const emptyEngine = { containers: async () => [], images: async () => [] }

t.test('a new app has a repository and a route to nothing', async t => {
  const { core, rooms, told } = workshop(t)
  const app = await core.apps.create(shop, calling())
  t.match(core.apps.get('shop'), { name: 'shop', id: app.id })
  t.ok(existsSync(join(rooms.settings.data, 'git/shop.git/HEAD')))
  t.equal(told.length, 1)
  const { app: name, domains, upstreams } = told[0] as Route
  t.same({ name, domains, upstreams }, { name: shop, domains: {}, upstreams: {} })
})

t.test('apps are listed by name', async t => {
  const { core } = workshop(t)
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  t.strictSame(
    core.apps.list().map(each => each.name),
    ['blog', 'shop'],
  )
})

t.test('a name is given once', async t => {
  const { core } = workshop(t)
  const made = await Promise.allSettled([1, 2].map(() => core.apps.create(shop, calling())))
  t.strictSame(made.map(each => each.status).sort(), ['fulfilled', 'rejected'])
  t.match(
    made.find(each => each.status === 'rejected'),
    { reason: { code: 'name-taken' } },
  )
  t.equal(core.apps.list().length, 1, 'and the one that came second takes nothing of the first away')
})

t.test('a plugin that refuses an app leaves nothing of it', async t => {
  const { core, rooms, told } = workshop(t, { plugins: [refusing('beforeCreate')] })
  await t.rejects(core.apps.create(shop, calling()), { name: 'HookError', plugin: 'no' })
  t.equal(core.apps.find('shop'), undefined)
  t.notOk(existsSync(join(rooms.settings.data, 'git/shop.git')))
  t.strictSame(told, [])
})

t.test('an app whose name would take the hostname of another is refused', async t => {
  const { core } = workshop(t)
  await core.domains.setGlobal(['example.com'], calling())
  await core.apps.create(shop, calling())
  await core.domains.add(shop, ['blog.example.com'], calling())
  await t.rejects(core.apps.create(blog, calling()), {
    code: 'domain-taken',
    message: 'blog.example.com belongs to shop.',
    hint: 'Free it with: domains:remove shop blog.example.com',
  })
  t.equal(core.apps.find('blog'), undefined)
})

t.test('a destroyed app is gone with its route and its repository', async t => {
  const { core, rooms, told } = workshop(t, { engine: emptyEngine })
  await core.apps.create(shop, calling())
  await core.apps.destroy(shop, calling())
  t.equal(core.apps.find('shop'), undefined)
  t.notOk(existsSync(join(rooms.settings.data, 'git/shop.git')))
  t.equal(told.at(-1), 'shop')
  await t.rejects(async () => core.apps.destroy(shop, calling()), { code: 'app-missing', exit: 20 })
})

t.test('a plugin that refuses the end of an app keeps all of it', async t => {
  const { core } = workshop(t, { plugins: [refusing('beforeDestroy')], engine: emptyEngine })
  await core.apps.create(shop, calling())
  await t.rejects(core.apps.destroy(shop, calling()), { name: 'HookError' })
  t.match(core.apps.get('shop'), { retired: false })
})

t.test('an app being destroyed is no app any more', async t => {
  const { core, rooms } = workshop(t)
  await core.apps.create(shop, calling())
  rooms.store.apps.retire(shop)
  t.strictSame(core.apps.list(), [])
  t.equal(core.apps.find('shop'), undefined)
  t.throws(() => core.apps.get('shop'), { code: 'app-missing', exit: 20 })
})

function refusing(hook: 'beforeCreate' | 'beforeDestroy'): Plugin {
  const refuse = () => {
    throw new Error('not today')
  }
  return { name: 'no', about: '', api: 1, hooks: { [hook]: refuse } }
}
