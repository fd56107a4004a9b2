import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import pino from 'pino'
import { type Test, t } from 'tap'

import { createAttempts } from '../../src/deploy/attempts.ts'
import { Cancelled, diskFull, UserError } from '../../src/errors.ts'
import type { Call } from '../../src/types.ts'
import { calling, shop, workshop } from '../core/workshop.ts'

const push = { kind: 'build', what: 'push' } as const

t.test('an attempt is listed with how it ended, and what was said is kept as it was shown', async t => {
  const { core, attempt, output } = await house(t)
  await attempt(async ({ out }, begin) => {
    t.match(core.attempts.list(shop), [{ status: 'waiting' }])
    begin()
    t.match(core.attempts.list(shop), [{ status: 'running' }])
    out.step('Building')
    out.detail('a')
    out.warn('careful')
    out.headline('done')
    out('plain')
    await out.flushed('flushed')
  })
  const [{ id } = { id: 0 }] = core.attempts.list(shop)
  t.match(core.attempts.get(shop, id), { status: 'succeeded', by: 'ann', what: 'push', kind: 'build' })
  t.strictSame(await output(id), [
    '-----> Building',
    '       a',
    ' !     careful',
    '=====> done',
    'plain',
    'flushed',
  ])
})

t.test('an attempt that fails says why, a bug keeps its reason to the log', async t => {
  const { core, attempt, output } = await house(t)
  for (const error of [new UserError('x', 'No room.'), new TypeError('secret'), new Cancelled('Gone.')])
    await t.rejects(
      attempt(async () => {
        throw error
      }),
      { message: error.message },
    )
  const [cancelled, bug, failed] = core.attempts.list(shop)
  t.match(failed, { status: 'failed', failure: 'No room.' })
  t.match(bug, { status: 'failed', failure: 'a bug; the log has it' })
  t.match(cancelled, { status: 'cancelled', failure: 'Gone.' })
  t.strictSame(await output(failed!.id), [' !     No room.'])
})

t.test('a person ends what is under way, and hears how it ended', async t => {
  const { core, attempt } = await house(t)
  const begun = Promise.withResolvers<void>()
  const running = attempt(async ({ signal }) => {
    begun.resolve()
    await once(signal, 'abort')
    throw new Cancelled()
  })
  await begun.promise
  const [ended] = await Promise.all([core.attempts.cancel(shop), t.rejects(running, { code: 'cancelled' })])
  t.match(ended, [{ status: 'cancelled' }])
  t.strictSame(await core.attempts.cancel(shop), [])
})

t.test('the output of what is under way is read as it comes, to its end', async t => {
  const { core, attempt } = await house(t)
  const gate = Promise.withResolvers<void>()
  const running = attempt(async ({ out }) => {
    out('first')
    await gate.promise
    out('last')
  })
  const [under] = core.attempts.list(shop)
  const lines = core.attempts.output(under!, calling().signal)[Symbol.asyncIterator]()
  t.match(await lines.next(), { value: 'first' })
  gate.resolve()
  t.match(await lines.next(), { value: 'last' })
  t.match(await lines.next(), { done: true })
  await running
})

t.test('endless output is kept up to a limit, and the deploy goes on', async t => {
  const { core, attempt, output } = await house(t)
  await attempt(async ({ out }) => {
    for (let at = 0; at < 9; at++) out('x'.repeat(2 ** 20 - 1))
  })
  const [{ id } = { id: 0 }] = core.attempts.list(shop)
  const lines = await output(id)
  t.equal(lines.length, 8)
  t.equal(lines.at(-1), ' !     The rest was too long to be kept.')
})

t.test('older attempts go with their outputs', async t => {
  const { core, rooms, attempt } = await house(t)
  rooms.store.properties.set('builds', shop, 'retention', '2')
  for (let at = 0; at < 4; at++) await attempt(async () => undefined)
  const kept = core.attempts.list(shop).map(each => each.id)
  t.equal(kept.length, 2)
  const last = kept[0]!
  for (const id of [last, last - 1, last - 2, last - 3])
    t.equal(existsSync(rooms.attempts.outputOf(id)), kept.includes(id))
})

t.test('an output that cannot be kept costs nothing but itself', async t => {
  const { core, rooms, attempt, output } = await house(t)
  await mkdir(rooms.attempts.outputOf(1))
  await attempt(async ({ out }) => out('x'))
  const [{ id } = { id: 0 }] = core.attempts.list(shop)
  t.match(core.attempts.get(shop, 1), { id, status: 'succeeded' })
  await t.resolves(output(id).catch(() => []))
})

t.test('an end that the store cannot take is written down later, and nothing else comes of it', async t => {
  const { core, rooms, attempt } = await house(t)
  const { setStatus } = rooms.store.attempts
  Object.assign(rooms.store.attempts, {
    setStatus() {
      throw diskFull("Davit's data", '/data')
    },
  })
  t.equal(await attempt(async () => 'live'), 'live')
  const failing = attempt(async () => {
    throw new UserError('x', 'No room.')
  })
  await t.rejects(failing, { message: 'No room.' })
  t.match(core.attempts.list(shop), [{ status: 'waiting' }, { status: 'waiting' }])
  rooms.attempts.catchUp()
  Object.assign(rooms.store.attempts, { setStatus })
  rooms.attempts.catchUp()
  t.match(core.attempts.list(shop), [{ status: 'failed', failure: 'No room.' }, { status: 'succeeded' }])
})

t.test('what a killed daemon left is listed as failed, and outputs that belong to nothing go', async t => {
  const { core, rooms } = await house(t)
  rooms.store.attempts.add(shop, { ...push, by: 'ann', revision: undefined })
  const folder = join(rooms.settings.data, 'builds')
  await writeFile(join(folder, '77.log'), 'x')
  createAttempts({ store: rooms.store, folder, log: pino({ level: 'silent' }) })
  t.match(core.attempts.list(shop), [{ status: 'failed', failure: 'Davit was stopped before it ended.' }])
  t.notOk(existsSync(join(folder, '77.log')))
})

async function house(t: Test) {
  const { core, rooms } = workshop(t)
  const app = await core.apps.create(shop, calling())
  return {
    core,
    rooms,
    attempt: <T>(work: (call: Call, begin: () => void) => Promise<T>) =>
      rooms.attempts.run(app, push, calling(), work),
    async output(id: number): Promise<string[]> {
      const lines: string[] = []
      for await (const line of core.attempts.output(core.attempts.get(shop, id), calling().signal))
        lines.push(line)
      return lines
    },
  }
}
