import { existsSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

import { finishDestroy } from '../../src/core/apps.ts'
import { resume } from '../../src/deploy/steps.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { blog, calling, shop, workshop } from './workshop.ts'

const emptyEngine = { containers: async () => [], images: async () => [] }

t.test('a clone has the config, formation and settings of the other app, and not its names', async t => {
  const heard: unknown[] = []
  const listening: Plugin = {
    name: 'listening',
    about: '',
    api: 1,
    hooks: { afterClone: ({ app, from }) => void heard.push([from.name, app.name]) },
  }
  const { core, rooms, told } = workshop(t, { plugins: [listening] })
  const call = calling()
  await core.apps.create(shop, call)
  await core.config.change(shop, { set: { A: '1', B: 'secret' }, restart: false }, call)
  rooms.store.config.change(shop, { set: { DATABASE_URL: 'postgres://x' }, owner: 'postgres' })
  rooms.store.formation.set(shop, { web: 2, worker: 1 })
  await core.domains.add(shop, ['shop.example.com'], call)
  const set = rooms.store.properties.set
  set('git', shop, 'deploy-branch', 'live')
  set('checks', shop, 'deadline', '9')
  set('domains', shop, 'default', 'off')
  set('ps', shop, 'stopped', 'true')
  set('ports', shop, 'map', 'http:80:3000 tcp:7000:7000')
  core.apps.lock(shop)

  const clone = await core.apps.clone(shop, blog, { rollout: true }, call)
  t.equal(clone.name, blog)
  t.strictSame(core.config.env(blog), { A: '1', B: 'secret' }, 'what plugins provide stays where it is')
  t.strictSame(rooms.store.formation.of(blog), { web: 2, worker: 1 })
  t.strictSame(rooms.store.properties.of(blog), [
    { topic: 'checks', key: 'deadline', value: '9' },
    { topic: 'git', key: 'deploy-branch', value: 'live' },
    { topic: 'ports', key: 'map', value: 'http:80:3000' },
  ])
  t.strictSame(core.domains.of(blog), [])
  t.strictSame(core.domains.of(shop), ['shop.example.com'])
  t.strictSame(heard, [['shop', 'blog']])
  t.match(told.at(-1), { app: blog, domains: {} })
  t.strictSame(rooms.store.steps.list(), [])
  await core.config.change(blog, { set: { A: '2' }, restart: false }, call)
  t.equal(core.config.env(shop).A, '1', 'they go their own ways')
})

t.test('a name that is taken is not cloned to, and neither app changes', async t => {
  const { core } = workshop(t)
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  await core.config.change(blog, { set: { A: 'blog' }, restart: false }, calling())
  await t.rejects(core.apps.clone(shop, blog, { rollout: true }, calling()), { code: 'name-taken' })
  t.strictSame(core.config.env(blog), { A: 'blog' })
})

t.test('a clone that fails half way leaves nothing', async t => {
  const refusing: Plugin = {
    name: 'no',
    about: '',
    api: 1,
    hooks: {
      beforeCreate({ app }) {
        if (app.name === blog) throw new Error('No blogs.')
      },
    },
  }
  const { core, rooms } = workshop(t, { plugins: [refusing], engine: emptyEngine })
  await core.apps.create(shop, calling())
  await t.rejects(core.apps.clone(shop, blog, { rollout: true }, calling()), { name: 'HookError' })
  const gone = new AbortController()
  gone.abort()
  const other = 'other' as typeof blog
  await t.rejects(core.apps.clone(shop, other, { rollout: true }, { ...calling(), signal: gone.signal }), {
    code: 'cancelled',
  })
  t.same(
    core.apps.list().map(each => each.name),
    [shop],
  )
  t.strictSame(rooms.store.steps.list(), [])
  for (const name of [blog, other]) t.notOk(existsSync(join(rooms.settings.data, `git/${name}.git`)))
})

t.test('one that was cut off is taken away at the next start, with the release it was to have', async t => {
  const { core, rooms } = workshop(t, { engine: emptyEngine })
  await core.apps.create(shop, calling())
  await core.apps.create(blog, calling())
  rooms.store.steps.begin(blog, { kind: 'clone', phase: 'begun', data: { from: shop } })
  rooms.store.steps.begin(blog, { kind: 'rerelease', phase: 'begun', data: { site: '0123' } })
  await resume(rooms)
  t.equal(core.apps.find('blog'), undefined)
  const retired = rooms.store.apps.find(blog)!
  t.match(retired, { retired: true }, 'as one that is being destroyed')
  await finishDestroy(retired, rooms)
  t.strictSame(rooms.store.steps.list(), [])
  t.same(
    rooms.store.apps.list().map(each => each.name),
    [shop],
  )
})

t.test('two who clone the same app at once: one has it, the other is told', async t => {
  const { core, rooms } = workshop(t)
  await core.apps.create(shop, calling())
  const late = calling()
  const [one, other] = await Promise.allSettled([
    core.apps.clone(shop, blog, { rollout: true }, calling()),
    core.apps.clone(shop, blog, { rollout: true }, late),
  ])
  t.match(one, { status: 'fulfilled' })
  t.match(other, { status: 'rejected', reason: { code: 'name-taken' } })
  t.match(late.lines.join(), /Waiting for the cloning of shop/)
  t.strictSame(rooms.store.steps.list(), [])
})

t.test(
  'an app that goes while its cloning waits is not cloned, nor is another that takes its name',
  async t => {
    const { core, rooms } = workshop(t, { engine: emptyEngine })
    await core.apps.create(shop, calling())
    const held = Promise.withResolvers<void>()
    const holding = rooms.queue.exclusive(shop, 'a change', calling(), async () => held.promise)
    const cloning = t.rejects(core.apps.clone(shop, blog, { rollout: true }, calling()), {
      code: 'app-missing',
    })
    rooms.store.apps.remove(shop)
    rooms.store.apps.add(shop)
    held.resolve()
    await Promise.all([holding, cloning])
    t.equal(core.apps.find('blog'), undefined)
  },
)
