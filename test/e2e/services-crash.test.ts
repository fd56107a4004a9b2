import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import t, { type Test } from 'tap'

import { type CrashPoint, crashedAt, crashPoints } from '../../src/deploy/crash.ts'
import { settled } from './leftovers.ts'
import { type Sandbox, sandbox } from './sandbox.ts'
import { shelves } from './shelves.ts'

/** What is cut off, what it takes before, and what has to be so afterwards. */
interface Walk {
  readonly before?: string
  readonly cut: string
  readonly holds: (world: World) => Promise<boolean>
}

interface World {
  readonly box: Sandbox
  /** As `shelf:list` says it: `db running shop`. */
  list(): Promise<string>
  ask(): Promise<string>
}

const isGone = async ({ list }: World) => (await list()) === ''
const runs = async ({ list }: World) => (await list()) === 'db running\n'

const walks: Partial<Record<CrashPoint, Walk>> = {
  'service:recorded': { cut: 'shelf:create db one', holds: isGone },
  'service:started': { cut: 'shelf:create db one', holds: isGone },
  'service:ready': { cut: 'shelf:create db one', holds: isGone },
  // What is undone may be cut off too.
  'service:removed': { cut: 'shelf:create db never', holds: isGone },
  'service:changing': { before: 'shelf:create db one', cut: 'shelf:change db two', holds: runs },
  'service:linked': {
    cut: 'shelf:link db shop',
    holds: async ({ box, list, ask }) => {
      // The link stands; the app has it with its next containers.
      if ((await list()) !== 'db running shop\n' || (await ask()) !== 'none') return false
      await box.ssh('ps:restart shop')
      return (await ask()) === 'one:'
    },
  },
  'service:changed': {
    cut: 'shelf:change db two',
    holds: async ({ ask }) => (await ask()) === 'one:',
  },
  'service:stopping': {
    cut: 'shelf:stop db',
    holds: async ({ list }) => /^db exited with \d+ shop\n$/.test(await list()),
  },
  'service:left': {
    before: 'shelf:start db',
    cut: 'shelf:unlink db shop',
    holds: async ({ box, list, ask }) => {
      // Its containers are those from before, and reach it until they end.
      if ((await list()) !== 'db running\n' || (await ask()) !== 'one:') return false
      await box.ssh('ps:restart shop')
      return (await ask()) === 'none'
    },
  },
  'service:retired': { cut: 'shelf:destroy db', holds: isGone },
}

t.test('a daemon killed half way leaves a service as it was or as it was to be', async t => {
  const box = await sandbox(t)
  const ask = await shelves(t, box, 'shop')
  await box.ssh('checks:set shop wait-to-retire 1')
  const world: World = { box, ask, list: async () => (await box.ssh('shelf:list')).stdout }
  for (const point of crashPoints) writeFileSync(crashedAt(point, box.data), '')
  const restart = async () => {
    await box.stop()
    await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: crashPoints.join() })
  }
  t.same(
    Object.keys(walks).sort(),
    crashPoints.filter(each => each.startsWith('service:')).sort(),
    'every point is walked',
  )
  let at = 0
  for (const [point, walk] of Object.entries(walks) as [CrashPoint, Walk][]) {
    // The supervisor waits longer before each start of a daemon that dies again and again.
    if (at++ % 4 === 0) await restart()
    await t.test(`killed at ${point}`, t => killedAt(point, walk, t, world))
  }
})

async function killedAt(point: CrashPoint, { before, cut, holds }: Walk, t: Test, world: World) {
  const { box } = world
  if (before !== undefined) {
    t.match(await box.ssh(before), { code: 0 })
    if (before.includes('create')) t.match(await box.ssh('shelf:write db', { input: '' }), { code: 0 })
  }
  rmSync(crashedAt(point, box.data))
  const killed = box.logged(/the daemon ended by SIGKILL/)
  const ready = killed.then(() => box.logged(/"msg":"ready: /))
  await Promise.all([box.ssh(cut), killed])
  await ready
  const until = Date.now() + 20_000
  let isSo = await holds(world)
  for (; !isSo && Date.now() < until; isSo = await holds(world)) await pause(200)
  t.ok(isSo, `${await world.list()} ${await world.ask()}`)
  t.same(await settled(box, { withinMs: 20_000 }), [], 'nothing is left over')
}
