import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { t } from 'tap'

import { refuseMoved, renaming } from '../../src/deploy/rename.ts'
import { undo } from '../../src/deploy/steps.ts'
import type { UserError } from '../../src/errors.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import type { AppName, Route } from '../../src/types.ts'
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

t.test('while an app gets another name, whoever comes by either waits', async t => {
  const gate = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const slow: Plugin = {
    name: 'slow',
    about: '',
    api: 1,
    hooks: {
      async afterRename({ app, was }) {
        t.match({ app: app.name, was }, { app: 'blog', was: 'shop' })
        reached.resolve()
        await gate.promise
      },
    },
  }
  const { core, rooms } = workshop(t, { plugins: [slow], engine: emptyEngine })
  const old = await core.apps.create(shop, calling())
  const renamed = core.apps.rename(shop, blog, { rollout: false }, calling())
  await reached.promise
  const said: string[] = []
  const byOld = renaming.settled(shop, calling(), rooms).catch((error: UserError) => said.push(error.message))
  const byNew = renaming.settled(blog, calling(), rooms).then(() => said.push('settled'))
  const change = rooms.queue.exclusive(blog, 'a change', calling(), async () => said.push('changed'))
  await t.rejects(core.apps.create(shop, calling()), { code: 'name-taken' })
  t.strictSame(said, [])
  gate.resolve()
  await Promise.all([renamed, byOld, byNew, change])
  t.strictSame(said.toSorted(), ['changed', 'settled', 'shop is called blog now; nothing was changed.'])
  t.throws(() => refuseMoved(old, rooms), { code: 'app-renamed' })
  await core.apps.create(shop, calling())
  t.throws(() => refuseMoved(old, rooms), { code: 'app-renamed' }, 'another app of the name is not meant')
})

t.test('an end or a stop that waited for a renaming does nothing to whoever has the name then', async t => {
  const { core, rooms } = workshop(t, { engine: emptyEngine })
  const old = await core.apps.create(shop, calling())
  const gate = Promise.withResolvers<void>()
  const change = rooms.queue.exclusive(shop, 'a change', calling(), () => gate.promise)
  const renamed = core.apps.rename(shop, blog, { rollout: false }, calling())
  const other = renamed.then(() => core.apps.create(shop, calling()))
  const ends = Promise.allSettled([core.apps.destroy(shop, calling()), core.processes.stop(shop, calling())])
  gate.resolve()
  await change
  t.match(await ends, [{ reason: { code: 'app-renamed' } }, { reason: { code: 'app-renamed' } }])
  t.equal(core.apps.get(blog).id, old.id)
  t.equal(core.apps.get(shop).id, (await other).id)
})

t.test('two apps may swap their names one after the other', async t => {
  const { core, rooms } = workshop(t, { engine: emptyEngine })
  const [first, second] = await Promise.all([shop, blog].map(each => core.apps.create(each, calling())))
  const swapped = await Promise.allSettled([
    core.apps.rename(shop, blog, { rollout: false }, calling()),
    core.apps.rename(blog, shop, { rollout: false }, calling()),
  ])
  t.strictSame(
    swapped.map(each => each.status),
    ['rejected', 'rejected'],
  )
  const change = Promise.withResolvers<void>()
  const busy = rooms.queue.exclusive(blog, 'a change', calling(), () => change.promise)
  await t.rejects(
    core.apps.rename(shop, blog, { rollout: false }, calling()),
    { code: 'name-taken' },
    'at once',
  )
  change.resolve()
  await busy
  await core.apps.rename(shop, 'spare' as AppName, { rollout: false }, calling())
  await core.apps.rename(blog, shop, { rollout: false }, calling())
  t.equal(core.apps.get('spare').id, first!.id)
  t.equal(core.apps.get('shop').id, second!.id)
})

t.test('images of an app that have lost their tags go with it, and with what is undone', async t => {
  const removed: string[] = []
  const left = { ports: [], command: [], entrypoint: [], bytes: 1 }
  const { core, rooms } = workshop(t, {
    engine: {
      ...emptyEngine,
      images: async labels =>
        labels['com.davit.app'] === 'shop' ? [{ ...left, id: 'sha256:left', tags: [], labels }] : [],
      removeImage: async reference => removed.push(reference) > 0,
    },
  })
  await core.apps.create(shop, calling())
  const step = rooms.store.steps.begin(shop, { kind: 'deploy', phase: 'building', data: { tags: ['a:1'] } })
  await undo(step, 'It was cut off.', rooms)
  t.strictSame(removed.splice(0), ['a:1', 'sha256:left'])
  await core.apps.destroy(shop, calling())
  t.strictSame(removed, ['sha256:left'])
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
