import { mkdirSync } from 'node:fs'

import { type Test, t } from 'tap'

import { sitePath } from '../../src/deploy/site.ts'
import { HookError } from '../../src/errors.ts'
import type { DavitEvent } from '../../src/event.ts'
import { defineCommand } from '../../src/plugin/command.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import type { PluginHooks } from '../../src/plugin/hooks.ts'
import type { AppName } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { blog, calling, shop, workshop } from '../core/workshop.ts'

const plugin = (name: string, hooks: PluginHooks, more: Partial<Plugin> = {}): Plugin => ({
  ...{ name, about: '', api: 1 },
  hooks,
  ...more,
})

t.test('what a plugin tells is heard by all that listen, and nobody waits for them', async t => {
  const heard: DavitEvent[] = []
  const never = new Promise<void>(() => undefined)
  const { core } = workshop(t, {
    plugins: [
      plugin('slow', { afterEvent: { timeoutMs: 20, handle: () => never } }),
      plugin('log', { afterEvent: event => void heard.push(event) }),
    ],
  })
  await core.apps.create(shop, calling())
  core.events.tell({ kind: 'backups:made', app: shop, text: 'shop was backed up.', data: { bytes: 7 } })
  t.match(heard, [
    { kind: 'app-created', level: 'info', app: 'shop', by: 'ann', text: 'shop was created.', at: Date },
    { kind: 'backups:made', app: 'shop', by: 'davit', data: { bytes: 7 } },
  ])
})

t.test('config, domains, names and the end of an app are told, without values', async t => {
  const heard: DavitEvent[] = []
  const { core } = workshop(t, {
    plugins: [plugin('log', { afterEvent: event => void heard.push(event) })],
    engine: { containers: async () => [], images: async () => [], networks: async () => [] },
  })
  await core.apps.create(shop, calling())
  await core.config.change(shop, { set: { KEY: 's3cret' }, restart: true }, calling())
  await core.domains.add(shop, ['shop.test'], calling())
  await core.apps.rename(shop, blog, { rollout: true }, calling())
  await core.apps.destroy(blog, calling())
  t.strictSame(
    heard.map(each => each.kind),
    ['app-created', 'config-changed', 'domains-changed', 'app-renamed', 'app-destroyed'],
  )
  t.match(heard[1], { text: 'The config of shop was changed: KEY.', data: { set: 'KEY' } })
  t.notMatch(JSON.stringify(heard), /s3cret/)
})

t.test('a plugin says who may do what; without its answer the role decides', async t => {
  const asked: unknown[] = []
  const { say, gits } = desk(t, [], {
    plugins: [
      plugin('acl', {
        findAccess({ by, command, app, reads }) {
          asked.push([by.person, command, app, reads])
          if (by.person === 'bob') return { allow: app === shop }
          if (command === 'apps:lock') return { allow: false, reason: 'Locks are for Fridays.' }
          return undefined
        },
      } as PluginHooks),
    ],
  })
  const bob = { by: { person: 'bob', key: 'SHA256:bob', role: 'viewer' } } as const
  t.match(await say('apps:create shop'), { code: 0 })
  t.match(await say('config:show shop', bob), { code: 0 })
  t.match(await say('config:show blog', bob), { code: 1, stderr: /bob may not run config:show/ })
  t.match(await say('apps:lock shop'), {
    code: 1,
    stderr: /ann may not run apps:lock. Locks are for Fridays/,
  })
  t.match(await say('apps:lock shop', { local: true }), { code: 0 }, 'on the host nobody is locked out')
  await say("git-receive-pack '/shop.git'", bob)
  t.match(await say("git-receive-pack 'blog'", bob), { code: 1 })
  t.equal(gits.length, 1)
  t.strictSame(asked, [
    ['ann', 'apps:create', 'shop', false],
    ['bob', 'config:show', 'shop', true],
    ['bob', 'config:show', 'blog', true],
    ['ann', 'apps:lock', 'shop', false],
    ['bob', 'git-receive-pack', 'shop', false],
    ['bob', 'git-receive-pack', 'blog', false],
  ])
})

t.test('a plugin that fails to say who may lets nobody in', async t => {
  const { say } = desk(t, [], {
    plugins: [
      plugin('acl', {
        findAccess() {
          throw new Error('the list is away')
        },
      }),
    ],
  })
  t.match(await say('apps:list'), { code: 1, stderr: /acl stopped findAccess: the list is away/ })
  t.match(await say('apps:list', { local: true }), { code: 0 })
})

t.test('several redeploys that one command asks for are one, when it is over', async t => {
  const { rooms, say, queued } = await withQueue(t, {
    commands: [
      defineCommand({
        name: 'one:link',
        about: '',
        async run(_, { core, out }) {
          core.redeploy(shop, 'one:link a')
          core.redeploy(shop, 'one:link b')
          await core.config.change(shop, { set: { A: '1' }, restart: false }, calling())
          out(`still ${rooms.queue.busy(shop) ? 'busy' : 'idle'}`)
        },
      }),
    ],
    hooks: { afterConfig: ({ app }, { core }) => core.redeploy(app.name, 'seen') },
  })
  t.match(await say('one:link'), { code: 0, stdout: /still idle/, stderr: '' })
  t.strictSame(queued, ["ann's one:link a, one:link b, seen (shop)"])
})

t.test('a redeploy that is asked for outside of any command comes soon, once', async t => {
  const { core, queued, rooms } = await withQueue(t, {})
  core.redeploy(shop, 'a')
  core.redeploy(shop, 'b')
  t.strictSame(queued, [])
  await rooms.background.idle()
  t.strictSame(queued, ["davit's a, b (shop)"])
})

t.test(
  'a redeploy or another change asked for within a change is refused, and never waits for itself',
  async t => {
    const refused: unknown[] = []
    const { core } = workshop(t, {
      plugins: [
        plugin('loop', {
          async beforeDestroy({ app }, { core, out, signal }) {
            const tries = [
              () => core.redeploy(app.name, 'again'),
              () => core.processes.restart(app.name, {}, { by: calling().by, out, signal }),
              () => core.apps.rename(app.name, blog, { rollout: false }, { by: calling().by, out, signal }),
            ]
            for (const each of tries) {
              try {
                await each()
              } catch (error) {
                refused.push(error)
              }
            }
            throw new Error('enough')
          },
          afterEvent({ app }, { core }) {
            core.redeploy(app!, 'again')
          },
        }),
      ],
    })
    await core.apps.create(shop, calling())
    await t.rejects(core.apps.destroy(shop, calling()), HookError)
    t.match(refused[0], {
      code: 'inside-change',
      message: /loop asks for a redeploy of shop from its beforeDestroy/,
    })
    t.match(refused.at(-1), { code: 'inside-change', message: /loop asks for the renaming of shop/ })
  },
)

t.test('values of a plugin are sealed, shown with its name, and not for people to set', async t => {
  const { say, members, rooms } = desk(t, [], { plugins: [plugin('pg', {}), plugin('redis', {})] })
  await say('apps:create shop')
  const [pg, redis] = members.map(each => each.context.core)
  pg!.config.provide(shop, { DATABASE_URL: 'postgres://x', OTHER: '1' })
  pg!.config.provide(shop, { OTHER: undefined })
  t.strictSame(rooms.store.config.list(shop), [{ key: 'DATABASE_URL', value: 'postgres://x', owner: 'pg' }])
  t.match(await say('config:show shop'), { stdout: /DATABASE_URL: +postgres:\/\/x/ })
  t.match(await say('config:set shop DATABASE_URL=mine'), { code: 1, stderr: /provided by pg/ })
  t.throws(() => redis!.config.provide(shop, { DATABASE_URL: 'redis://x' }), { code: 'config-owned' })
  await say('config:set --no-restart shop MINE=1')
  t.throws(() => pg!.config.provide(shop, { MINE: '2' }), {
    code: 'config-owned',
    message: /set by a person/,
  })
  t.throws(() => pg!.config.provide(shop, { '1-2': '2' }), { code: 'bad-key' })
})

t.test(
  'an app that depends on a plugin that is off is neither released nor led elsewhere, and says why',
  async t => {
    const { core, rooms, members, told } = workshop(t, {
      plugins: [plugin('lock', { shapeRoute: route => ({ ...route, auth: { realm: 'x', users: {} } }) })],
      engine: { containers: async () => [], images: async () => [], networks: async () => [] },
    })
    await core.apps.create(shop, calling())
    members[0]!.context.core.depend(shop)
    members[0]!.context.core.depend(shop)
    t.strictSame(rooms.store.dependencies.of(shop), ['lock'])
    t.strictSame(rooms.store.dependencies.on('lock'), ['shop'])
    live(rooms, shop)
    await core.processes.restart(shop, {}, calling())
    await core.domains.add(shop, ['a.test'], calling())
    t.match(told.at(-1), { domains: { 'a.test': true }, auth: { realm: 'x' } })
    const before = told.length
    const gone = (members as unknown[]).pop()
    const off = {
      code: 'plugin-off',
      message: 'shop depends on the plugin lock, which is off: it is not there.',
    }
    await t.rejects(core.domains.add(shop, ['b.test'], calling()), off)
    await t.rejects(core.processes.restart(shop, {}, calling()), off)
    await rooms.routes.syncAll()
    for (const each of told.slice(before))
      t.match(each, { auth: { realm: 'x' } }, 'the route is not told without what the plugin adds')
    await core.processes.stop(shop, calling())
    t.match(told.at(-1), { upstreams: {} }, 'it can be stopped all the same')
    ;(members as unknown[]).push(gone)
    members[0]!.context.core.undepend(shop)
    t.strictSame(rooms.store.dependencies.on('lock'), [])
  },
)

/** A live release without an engine: a folder of pages. */
function live(rooms: ReturnType<typeof workshop>['rooms'], app: AppName) {
  mkdirSync(sitePath(rooms.store.apps.find(app)!, 'none', rooms), { recursive: true })
  const { number } = rooms.store.releases.add(app, {
    ...{ image: 'static:none', revision: undefined, procfile: {}, port: 5000 },
    ...{ config: {}, by: 'ann', why: 'push' },
  })
  rooms.store.releases.makeLive(app, number)
}

/** The app shop, live, and every change of it that is asked for. */
async function withQueue(
  t: Test,
  { commands = [], hooks = {} }: Pick<Plugin, 'commands'> & { hooks?: PluginHooks },
) {
  const all = desk(t, [], {
    plugins: [plugin('one', hooks, { commands })],
    engine: { containers: async () => [], images: async () => [], networks: async () => [] },
  })
  await all.say('apps:create shop')
  live(all.rooms, shop)
  const queued: string[] = []
  const { queue } = all.rooms
  const exclusive = queue.exclusive
  Object.assign(queue, {
    exclusive: (app: AppName, what: string, ...rest: never[]) => {
      queued.push(what)
      return (exclusive as (...words: unknown[]) => unknown)(app, what, ...rest)
    },
  })
  return { ...all, core: all.members[0]!.context.core, queued }
}
