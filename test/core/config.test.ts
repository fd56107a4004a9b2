import { PassThrough } from 'node:stream'

import { type Test, t } from 'tap'

import type { Engine } from '../../src/docker/engine.ts'
import { UserError } from '../../src/errors.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { newRelease } from '../store/fixture.ts'
import { calling, shop, workshop } from './workshop.ts'

t.test("an app's values go before the host's", async t => {
  const { core } = await house(t)
  await core.config.change(undefined, { set: { A: 'host', B: 'host' }, restart: true }, calling())
  await core.config.change(shop, { set: { A: 'shop' }, restart: true }, calling())
  t.strictSame(core.config.env(shop), { A: 'shop', B: 'host' })
  t.strictSame(core.config.list(shop), [{ key: 'A', value: 'shop', owner: '' }])
})

t.test('plugins hear of what changed, and of nothing else', async t => {
  const { core, heard } = await house(t)
  await core.config.change(shop, { set: { A: '1' }, restart: false }, calling())
  await core.config.change(shop, { set: { A: '1' }, restart: false }, calling())
  await core.config.change(shop, { unset: ['B'], restart: false }, calling())
  await core.config.change(undefined, { set: { C: '1' }, unset: ['D'], restart: false }, calling())
  t.strictSame(heard, [
    { set: ['A'], unset: [] },
    { set: ['C'], unset: ['D'] },
  ])
})

t.test('a key of a wrong form is refused, and nothing is kept', async t => {
  const { core } = await house(t)
  await t.rejects(core.config.change(shop, { set: { A: '1', 'B-C': '1' }, restart: true }, calling()), {
    code: 'bad-key',
  })
  t.strictSame(core.config.list(shop), [])
})

t.test("a plugin's value is not a person's to set or take away", async t => {
  const { core, rooms } = await house(t)
  rooms.store.config.change(shop, { set: { DATABASE_URL: 'postgres://x' }, owner: 'postgres' })
  for (const change of [{ set: { DATABASE_URL: 'x' } }, { unset: ['DATABASE_URL'] }])
    await t.rejects(core.config.change(shop, { ...change, restart: true }, calling()), {
      code: 'config-provided',
      message: 'DATABASE_URL is provided by postgres.',
    })
})

t.test('keys that every object knows are keys like others', async t => {
  const { core } = await house(t)
  const set = JSON.parse('{"__proto__":"1","constructor":"2"}') as Record<string, string>
  await core.config.change(shop, { set, restart: false }, calling())
  t.strictSame(JSON.stringify(core.config.env(shop)), '{"__proto__":"1","constructor":"2"}')
})

t.test('before the first deploy values are kept, and there is nothing to restart', async t => {
  const { core } = await house(t)
  const call = calling()
  await core.config.change(shop, { set: { A: '1' }, restart: true }, call)
  t.strictSame(call.lines, [])
  t.strictSame(core.releases.list(shop), [])
})

for (const [what, reason] of [
  ['a person can mend', new UserError('x', 'No room.', 'Make some.')],
  ['only a plugin knows', new Error('No room.')],
] as const) {
  t.test(`a restart that fails for a reason that ${what} says that the values are kept`, async t => {
    const { core, rooms } = await house(t, reason)
    live(rooms)
    await t.rejects(core.config.change(shop, { set: { A: '1' }, restart: true }, calling()), {
      code: 'restart-failed',
      message: /No room\./,
      hint: /^The values are stored; the old release is still serving\./,
    })
    t.strictSame(core.config.env(shop), { A: '1' })
    t.match(core.releases.live(shop), { number: 1 })
    t.match(core.releases.list(shop), [{ number: 2, state: 'failed', why: 'config:set A' }, { number: 1 }])
  })
}

t.test("a process's name runs its line; any other words run as they are", async t => {
  const { core, rooms, made } = await house(t)
  live(rooms)
  const run = (...words: string[]) => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const { signal } = calling()
    const io = { stdin, stdout, stderr, terminal: undefined, env: { MODE: 'x' }, signal }
    return t.rejects(core.containers.run(shop, words, io, calling()), { code: 'enough' })
  }
  await run('web')
  await run('web', '-x')
  await run('toString')
  await run('ls', '-la')
  t.strictSame(
    made.map(({ spec }) => spec.command),
    [['/bin/sh', '-c', 'exec node .'], ['web', '-x'], ['toString'], ['ls', '-la']],
  )
  t.match(made[0]?.spec.env, { MODE: 'x', DYNO: /^run\.[0-9a-f]{4}$/ })
})

t.test('processes are scaled by their names, within what the Procfile has', async t => {
  const { core, rooms } = await house(t)
  const scale = (counts: Record<string, number>) =>
    core.processes.scale(shop, counts, { rollout: false }, calling())
  t.strictSame(core.processes.formation(shop), { web: 1 })
  await scale({ worker: 2 })
  t.strictSame(core.processes.formation(shop), { web: 1, worker: 2 })
  live(rooms)
  t.strictSame(core.processes.formation(shop), { web: 1 }, 'the Procfile decides which there are')
  await t.rejects(scale({ clock: 1 }), { code: 'process-missing', hint: 'It has: web' })
  await t.rejects(scale({ toString: 1 }), { code: 'process-missing' })
  await t.rejects(scale({ release: 1 }), { code: 'bad-process' })
  await t.rejects(scale({ 'w.b': 1 }), { code: 'bad-process' })
  await t.rejects(core.processes.restart(shop, { process: 'toString' }, calling()), {
    code: 'process-missing',
  })
})

t.test('only releases that were live are gone back to', async t => {
  const { core, rooms } = await house(t)
  const back = (number?: number) => core.releases.rollback(shop, number, calling())
  await t.rejects(back(), { code: 'no-previous' })
  await t.rejects(back(1), { code: 'release-missing', message: 'shop has no release 1.' })
  live(rooms)
  await t.rejects(back(1), { code: 'already-live' })
  rooms.store.releases.add(shop, newRelease())
  rooms.store.releases.fail(shop, 2, 'no room')
  await t.rejects(back(2), { code: 'release-failed' })
  live(rooms)
  await t.rejects(back(), { code: 'image-gone', message: 'The image of release 1 is no longer kept.' })
})

t.test('a release that is gone back to has no value that a plugin provides now', async t => {
  const { core, rooms } = await house(t, new Error('No room.'))
  const config = { DATABASE_URL: 'own', A: '1' }
  rooms.store.releases.add(shop, newRelease({ config }))
  rooms.store.releases.makeLive(shop, 1)
  live(rooms)
  rooms.store.config.change(shop, { set: { DATABASE_URL: 'postgres://x' }, owner: 'postgres' })
  const image = async () => ({}) as Awaited<ReturnType<Engine['image']>>
  Object.assign(rooms.engine, { image })
  await t.rejects(core.releases.rollback(shop, 1, calling()), { name: 'HookError' })
  const [newest] = core.releases.list(shop)
  t.match(newest, { number: 3, why: 'rollback to 1' })
  t.strictSame(core.releases.config(newest!), { A: '1' })
})

t.test('the last key is kept unless forced; a name has one form', async t => {
  const { core } = await house(t)
  const key = (fingerprint: string) => ({ fingerprint, type: 'ssh-ed25519', blob: 'AAAA' })
  core.access.addKey('ann@laptop', key('SHA256:a'))
  for (const name of ['', ' ann', 'ann\n', '-ann', 'a b', 'ä', 'a'.repeat(65)])
    t.throws(() => core.access.addKey(name, key('SHA256:b')), { code: 'bad-name' }, JSON.stringify(name))
  t.throws(() => core.access.removeKey({ name: 'bob' }, { force: false }), { code: 'key-missing' })
  for (const which of [{ name: 'ann@laptop' }, { fingerprint: 'SHA256:a' }])
    t.throws(() => core.access.removeKey(which, { force: false }), { code: 'last-key' })
  core.access.addKey('bob', key('SHA256:b'))
  t.match(core.access.removeKey({ name: 'ann@laptop' }, { force: false }), [{ fingerprint: 'SHA256:a' }])
  t.match(core.access.removeKey({ fingerprint: 'SHA256:b' }, { force: true }), [{ name: 'bob' }])
})

/** An app, with a plugin that hears of config and may refuse releases, and an engine that refuses containers. */
async function house(t: Test, refusal?: Error) {
  const heard: unknown[] = []
  const made: Parameters<Engine['create']>[0][] = []
  const plugin: Plugin = {
    name: 'ear',
    about: '',
    api: 1,
    hooks: {
      afterConfig: ({ set, unset }) => void heard.push({ set, unset }),
      beforeRelease: () => {
        if (refusal) throw refusal
      },
    },
  }
  const engine: Partial<Engine> = {
    containers: async () => [],
    images: async () => [],
    networks: async () => [],
    ensureNetwork: async () => undefined,
    removeNetwork: async () => undefined,
    tag: async () => undefined,
    image: async () => undefined,
    removeImage: async () => true,
    create: async container => {
      made.push(container)
      throw new UserError('enough', 'That is all that was asked.')
    },
  }
  const { core, rooms } = workshop(t, { plugins: [plugin], engine })
  t.teardown(() => rooms.background.idle())
  await core.apps.create(shop, calling())
  return { core, rooms, heard, made }
}

function live({ store }: Awaited<ReturnType<typeof house>>['rooms']): void {
  const { number } = store.releases.add(shop, newRelease())
  store.releases.makeLive(shop, number)
}
