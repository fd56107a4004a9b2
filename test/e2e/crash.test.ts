import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t, { type Test } from 'tap'

import { type CrashPoint, crashPoints } from '../../src/deploy/crash.ts'
import { settled, storeOf } from './leftovers.ts'
import { type Checkout, type Sandbox, sandbox } from './sandbox.ts'
import { openVisitors, type Visit } from './visitors.ts'

/** A change that passes points, and what a visitor may see beside the app while it is made. */
interface Change {
  readonly before?: (world: World) => Promise<unknown>
  readonly make: (world: World) => Promise<unknown>
  readonly statuses?: readonly number[]
  /** What has to be so once everything has settled. */
  readonly holds?: (t: Test, world: World) => Promise<unknown>
  /** Brings the app back when the change took it away. */
  readonly back?: (world: World) => Promise<unknown>
}

const push: Change = { make: world => world.push() }

const changes: Readonly<Record<string, Change>> = {
  deploy: push,
  release: push,
  rollout: push,
  container: push,
  pointing: push,
  live: push,
  retire: { make: ({ box }) => box.ssh('ps:restart shop') },
  undo: { make: world => world.push('broken') },
  stop: {
    make: ({ box }) => box.ssh('ps:stop shop'),
    statuses: [503],
    back: ({ box }) => box.ssh('ps:start shop'),
  },
  rename: {
    make: ({ box }) => box.ssh('apps:rename shop ship'),
    statuses: [404],
    back: ({ box }) => box.ssh('apps:rename ship shop'),
  },
  // The clone is whole, or gone.
  clone: {
    make: ({ box }) => box.ssh('apps:clone shop twin'),
    back: async ({ box }) => t.match(await box.ssh('apps:exists twin'), { code: 20 }),
  },
  // Whoever is being answered by an app while it is destroyed is cut off.
  destroy: { make: ({ box }) => box.ssh('--force apps:destroy shop'), statuses: [404, 502] },
}

interface Walk {
  readonly point: CrashPoint
  /** In words, where it is not the one that the point is named after. */
  readonly what?: string
  readonly change: Change
}

/** The app runs so many times, and its next start has it so. */
const runs =
  (count: number) =>
  async (t: Test, { box }: World) => {
    t.equal((await box.containers()).length, count, `${count} run`)
    t.match((await box.ssh('ps:scale shop')).stdout, new RegExp(`^web: ${count}$`, 'm'))
  }

const up: Change = { make: ({ box }) => box.ssh('ps:scale shop web=2') }
const down: Change = {
  before: up.make,
  make: ({ box }) => box.ssh('ps:scale shop web=1'),
}
const single = { back: ({ box }: World) => box.ssh('ps:scale shop web=1') }
const start: Change = {
  before: ({ box }) => box.ssh('ps:stop shop'),
  make: ({ box }) => box.ssh('ps:start shop'),
  statuses: [503],
}
const answers =
  (status: number) =>
  async (t: Test, { box }: World) =>
    t.equal((await box.get('shop.localhost')).status, status, `it answers ${status}`)
const config: Change = { make: ({ box }) => box.ssh(`config:set shop NOTE=${Date.now()}`) }

/** Other changes take the same road: where they are cut off before they are live nothing of them is left, and afterwards all of them is. */
const others: readonly Walk[] = [
  { point: 'container:started', what: 'scaling up', change: { ...up, ...single, holds: runs(1) } },
  { point: 'live', what: 'scaling up', change: { ...up, ...single, holds: runs(2) } },
  { point: 'pointing:pointed', what: 'scaling down', change: { ...down, ...single, holds: runs(2) } },
  { point: 'live', what: 'scaling down', change: { ...down, holds: runs(1) } },
  { point: 'pointing:pointed', what: 'a start', change: { ...start, holds: answers(503), back: start.make } },
  { point: 'live', what: 'a start', change: { ...start, holds: answers(200) } },
  { point: 'release:tagged', what: 'a new value', change: config },
]

const walks: readonly Walk[] = [
  ...crashPoints.map(point => ({ point, change: changes[kindOf(point)]! })),
  ...others,
]

// Two sandboxes side by side: most of the time is spent waiting for the engine.
t.jobs = 2
for (const lane of [0, 1]) {
  t.test(
    `a daemon killed half way leaves the old or the new, and nothing else (${lane + 1} of 2)`,
    async t => {
      const world = await worldOf(t)
      for (const walk of walks.filter((_, at) => at % 2 === lane)) {
        const what = walk.what ? ` in ${walk.what}` : ''
        await t.test(`killed at ${walk.point}${what}`, t => killedAt(walk, t, world))
      }
    },
  )
}

async function killedAt({ point, change }: Walk, t: Test, world: World): Promise<void> {
  const { box } = world
  await change.before?.(world)
  await box.stop()
  // A point may be passed by several changes, each on its own.
  await rm(join(box.data, `crashed-at-${point.replace(':', '-')}`), { force: true })
  await box.start({ DAVIT_SANDBOX: '1', DAVIT_CRASH_AT: point })
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

function kindOf(point: CrashPoint): string {
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

interface World {
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
  return world
}
