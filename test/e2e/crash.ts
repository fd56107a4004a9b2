import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import t, { type Test } from 'tap'

import { type CrashPoint, crashedAt, crashPoints } from '../../src/deploy/crash.ts'
import { settled, storeOf } from './leftovers.ts'
import { type Checkout, type Sandbox, sandbox } from './sandbox.ts'
import { openVisitors, type Visit } from './visitors.ts'

/** A change that passes points, and what a visitor may see beside the app while it is made. */
export interface Change {
  readonly before?: (world: World) => Promise<unknown>
  readonly make: (world: World) => Promise<unknown>
  readonly statuses?: readonly number[]
  /** What has to be so once everything has settled. */
  readonly holds?: (t: Test, world: World) => Promise<unknown>
  /** Brings the app back when the change took it away. */
  readonly back?: (world: World) => Promise<unknown>
}

export interface Walk {
  readonly point: CrashPoint
  /** In words, where it is not the one that the point is named after. */
  readonly what?: string
  readonly change: Change
}

export const push: Change = { make: world => world.push() }

/** Cut off before the clone is live, nothing of it is left. */
export const clone: Change = {
  make: ({ box }) => box.ssh('apps:clone shop twin'),
  holds: async (t, { box }) => t.match(await box.ssh('apps:exists twin'), { code: 20 }, 'it is gone'),
}

/** So often the supervisor is started anew: it waits longer before each start of a daemon that dies again and again. */
const livesOfSupervisor = 4

/** Walks in two sandboxes side by side: most of the time is spent waiting for the engine. */
export function walkThrough(walks: readonly Walk[]): void {
  t.jobs = 2
  for (const lane of [0, 1]) {
    const mine = walks.filter((_, at) => at % 2 === lane)
    t.test(
      `a daemon killed half way leaves the old or the new, and nothing else (${lane + 1} of 2)`,
      async t => {
        const world = await worldOf(t)
        for (const [at, walk] of mine.entries()) {
          if (at > 0 && at % livesOfSupervisor === 0) await restart(world)
          const what = walk.what ? ` in ${walk.what}` : ''
          await t.test(`killed at ${walk.point}${what}`, t => killedAt(walk, t, world))
        }
      },
    )
  }
}

async function restart({ box }: World): Promise<void> {
  await box.stop()
  await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: crashPoints.join() })
}

async function killedAt({ point, change }: Walk, t: Test, world: World): Promise<void> {
  const { box } = world
  await change.before?.(world)
  t.same(await settled(box, { withinMs: 10_000 }), [], 'nothing is under way')
  rmSync(crashedAt(point, box.data))
  const before = world.version()
  const visitors = openVisitors({ port: box.httpPort, host: 'shop.localhost' }, ['kept', 'new', 'slow'])
  if ((await box.get('shop.localhost')).status === 200)
    await visitors.next(({ outcome }) => outcome.kind === 'answered' && outcome.version === before)

  const killed = within(30_000, box.logged(/the daemon ended by SIGKILL/), `${point} was not passed`)
  const ready = killed.then(() => box.logged(/"msg":"ready: /))
  await Promise.all([change.make(world), killed])
  await ready
  t.same(await settled(box, { withinMs: 10_000 }), [], 'nothing is left over')
  const store = storeOf(box)
  const [newest] = store.audit.list({ limit: 1 })
  t.ok(newest?.endedAt && newest.line.includes('shop'), 'the audit knows of it, and that it is over')
  // What is retired in the background may outlast its command.
  if (kindOf(point) !== 'retire') t.equal(newest?.exit, undefined, 'it has no exit')
  t.equal(store.audit.broken(), undefined)
  store.close()
  await change.holds?.(t, world)
  await visitors.next(() => true)
  await visitors.stop()
  if (change === push) {
    // Before it was live the change never was; afterwards it stands.
    const now = point === 'live' ? world.version() : before
    t.match(await box.get('shop.localhost', '/now'), { status: 200, body: `/now ${now}\n` })
  }

  const seen = sights(visitors.visits)
  const allowed = [before, world.version(), ...(change.statuses ?? []).map(String)]
  t.same(
    seen.filter(each => !allowed.includes(each)),
    [],
    `${visitors.visits.length} visitors met the old or the new`,
  )
  await change.back?.(world)
  t.match(await world.push(), { code: 0 }, 'a further push works')
  t.match(await box.get('shop.localhost', '/after'), { status: 200, body: `/after ${world.version()}\n` })
}

async function within<T>(ms: number, promise: Promise<T>, otherwise: string): Promise<T> {
  const late = new AbortController()
  const limit = pause(ms, undefined, late).then(() => Promise.reject(new Error(otherwise)))
  limit.catch(() => undefined)
  return Promise.race([promise, limit]).finally(() => late.abort())
}

const kindsOfPush = {
  building: ['deploy', 'release', 'rollout', 'container'],
  switching: ['pointing', 'live', 'retire', 'undo'],
}

/** What a push, or a restart after it, passes in one of its halves. */
export function pointsOfPush(half: keyof typeof kindsOfPush): readonly CrashPoint[] {
  return crashPoints.filter(each => kindsOfPush[half].includes(kindOf(each)))
}

/** Of changes of their own. Plugins and services change no app: see plugins.test and services.test. */
export const otherPoints = crashPoints.filter(
  each => ![...Object.values(kindsOfPush).flat(), 'plugin', 'service'].includes(kindOf(each)),
)

export function kindOf(point: CrashPoint): string {
  return point.split(':')[0]!
}

/** Versions that answered, other statuses, and what was lost, each once. */
function sights(visits: readonly Visit[]): string[] {
  const each = visits.map(({ outcome, kind }) => {
    if (outcome.kind === 'answered') return outcome.version || String(outcome.status)
    if (outcome.kind === 'wrong') return `wrong: ${outcome.what}`
    return outcome.status === undefined ? `${kind} lost: ${outcome.why}` : String(outcome.status)
  })
  return [...new Set(each)]
}

export interface World {
  readonly box: Sandbox
  /** Pushes something new: a version of the next number, or one that does not start. */
  push(broken?: 'broken'): Promise<{ code: number | null; text: string }>
  /** What the newest push that can serve was to answer with. */
  version(): string
}

async function worldOf(t: Test): Promise<World> {
  const box = await sandbox(t, { env: { DAVIT_WORKERS: '1' } })
  const shop: Checkout = await box.checkout('echo', 'shop')
  let number = 0
  const world: World = {
    box,
    version: () => `v${number}`,
    async push(broken) {
      await shop.write('version', `${broken ?? `v${++number}`}\n`)
      await shop.write('attempt', `${Date.now()}\n`)
      await shop.commit('Another')
      return shop.push()
    },
  }
  t.match(await world.push(), { code: 0 })
  await box.ssh('checks:set shop wait-to-retire 5')
  // As if it had died at all of them already; a walk takes one back.
  for (const point of crashPoints) writeFileSync(crashedAt(point, box.data), '')
  await restart(world)
  return world
}
