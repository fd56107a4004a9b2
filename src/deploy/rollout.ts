import { refuseOff } from '../core/dependencies.ts'
import { hostnamesOf } from '../core/domains.ts'
import { answered } from '../core/operations.ts'
import { appLabels, type Rooms } from '../core/rooms.ts'
import type { NewContainer } from '../docker/engine.ts'
import { Cancelled } from '../errors.ts'
import type { App, Call, Container, ContainerSpec, Formation, Release, Step } from '../types.ts'
import { receipt } from './arrival.ts'
import { ready } from './checks.ts'
import { crashAt } from './crash.ts'
import { ensureShared, joinsOf, sharedIn } from './joint-network.ts'
import { ensureNetwork } from './network.ts'
import { type Plan, planRollout } from './plan.ts'
import { randomHex } from './random.ts'
import { retire } from './retire.ts'
import { formationOf, type ProcessSpec, specOf } from './spec.ts'
import { withFreeAddress } from './task.ts'
import { tryOut } from './trial.ts'

export interface Rollout {
  readonly app: App
  readonly release: Release
  /** Recorded before anything was begun; done or undone when this settles. */
  readonly step: Step
  /** How many of each process, where it is not as set: recorded by `onLive` when it came about. */
  readonly formation?: Formation
  /** Called in the transaction that makes the release live. */
  readonly onLive?: () => void
  /** After `beforeRelease` and before anything is planned: the release command. */
  readonly prepare?: (call: Call) => Promise<void>
  /** Where the app wants that, a share of the clients sees the release first. */
  readonly onTrial?: boolean
  /** What led to it, where it makes no release. */
  readonly why?: string
  /** Which containers are replaced even where nothing changed: a restart. */
  readonly fresh?: (container: Container) => boolean
}

/**
 * Brings a release in front of traffic. The order is the promise: new containers are ready before the proxy points to them, all workers
 * point to them before the release is live, and only then do the old ones end, in the background. Cancelled by the call until the
 * pointing, never after. Throws with its step still recorded: whoever recorded it undoes. Answers what was done.
 */
export async function rollout(change: Rollout, call: Call, rooms: Rooms): Promise<Plan> {
  const { app, release } = change
  refuseOff(app, rooms)
  answered(app.name)
  await rooms.hooks.beforeRelease({ app, release }, call)
  await change.prepare?.(call)
  crashAt('rollout:prepared', rooms.settings)
  const plan = await planOf(change, call, rooms)
  const started = await start(plan, { app, release }, call, rooms)
  if (change.onTrial) await tryOut(app, { release, containers: started }, call, rooms)
  await point(change, { plan, started }, call, rooms)
  await rooms.hooks.afterRelease({ app, release }, { ...call, signal: rooms.last })
  await receipt(app, call, rooms)
  return plan
}

async function planOf(
  { app, release, fresh, formation: counts }: Rollout,
  call: Call,
  rooms: Rooms,
): Promise<Plan> {
  const formation = formationOf(release.procfile, { ...rooms.store.formation.of(app.name), ...counts })
  const specs = await Promise.all(
    Object.keys(formation).map(process =>
      specOf(process, { app, release, line: release.procfile[process]! }, call, rooms),
    ),
  )
  const current = rooms.store.containers.of(app.name).filter(each => each.state === 'wanted')
  return planRollout({ formation, specs, current, fresh: fresh ?? (() => false) })
}

/** All new containers side by side; settles when all are ready, or with the first failure once the others have stopped too. */
async function start(plan: Plan, subject: Subject, call: Call, rooms: Rooms): Promise<readonly Container[]> {
  if (plan.start.length === 0) return []
  await ensureNetwork(subject.app.name, rooms)
  await ensureShared([...new Set(plan.start.flatMap(each => sharedIn(each.process.spec)))], rooms)
  const rest = new AbortController()
  const one = { ...call, signal: AbortSignal.any([call.signal, rest.signal]) }
  let first: unknown
  const results = await Promise.allSettled(
    plan.start.map(each =>
      startOne(each, subject, one, rooms).catch((error: unknown) => {
        first ??= error
        rest.abort()
        throw error
      }),
    ),
  )
  if (first !== undefined) throw first
  return results.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
}

interface Subject {
  readonly app: App
  readonly release: Release
}

async function startOne(
  slot: Plan['start'][number],
  subject: Subject,
  call: Call,
  rooms: Rooms,
): Promise<Container> {
  const { app, release } = subject
  const { process } = slot.process
  call.out.step(`Starting ${process}.${slot.index}`)
  const container = await withFreeAddress(() => launch(slot, subject, rooms))
  await ready(
    container,
    {
      host: hostnamesOf(app.name, rooms.store)[0] ?? app.name,
      deadlineMs: deadlineOf(app, rooms),
      signal: call.signal,
      warn: call.out.warn,
    },
    rooms.engine,
  )
  crashAt('container:ready', rooms.settings)
  // Only now: an engine that restarts a container which fails its first start would hide why it failed.
  await rooms.engine.setRestart(container.name, true)
  call.out.detail(`${process}.${slot.index} is ready (release ${release.number})`)
  return container
}

async function launch(slot: Plan['start'][number], subject: Subject, rooms: Rooms): Promise<Container> {
  const { engine, store } = rooms
  const container = store.containers.add(subject.app.name, rowOf(slot, subject, rooms))
  crashAt('container:recorded', rooms.settings)
  try {
    await engine.create(engineForm(container, slot.process.spec, rooms))
    crashAt('container:created', rooms.settings)
    await engine.start(container.name)
    crashAt('container:started', rooms.settings)
    return container
  } catch (error) {
    await engine.remove(container.name)
    store.containers.remove(container.id)
    throw error
  }
}

function rowOf(
  { process, index }: { process: ProcessSpec; index: number },
  { app, release }: Subject,
  rooms: Rooms,
) {
  return {
    process: process.process,
    index,
    release: release.number,
    name: `${rooms.settings.instance}-${app.name}.${process.process}.${index}.${randomHex(4)}`,
    address: rooms.store.networks.takeAddress(app.name),
    // Where it was told to listen, even if something else is set meanwhile.
    port: Number(process.spec.env.PORT) || release.port,
    hash: process.hash,
    spec: process.spec,
  }
}

/** A recorded container as the engine makes it, now or again after it was lost. */
export function engineForm(container: Container, spec: ContainerSpec, rooms: Rooms): NewContainer {
  return {
    name: container.name,
    spec: { ...spec, env: { ...spec.env, DYNO: `${container.process}.${container.index}` } },
    labels: {
      ...spec.labels,
      ...appLabels(rooms, container.app),
      'com.davit.process': container.process,
      'com.davit.index': String(container.index),
      'com.davit.release': String(container.release),
      'com.davit.spec': container.spec,
    },
    network: rooms.store.networks.of(container.app)!.name,
    ...joinsOf(spec, rooms),
    address: container.address,
    restart: false,
  }
}

function deadlineOf(app: App, { store }: Rooms): number {
  const set =
    store.properties.get('checks', app.name, 'deadline') ??
    store.properties.get('checks', undefined, 'deadline')
  return Number(set ?? 60) * 1000
}

async function point(
  change: Rollout,
  { plan, started }: { plan: Plan; started: readonly Container[] },
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const { app, release } = change
  const { store } = rooms
  if (call.signal.aborted) throw new Cancelled()
  const step = store.steps.advance(change.step, { phase: 'pointing' })
  crashAt('pointing:recorded', rooms.settings)
  const containers = [...plan.keep, ...started]
  await rooms.routes.point(app, { containers, release }, { ...call, signal: rooms.last })
  crashAt('pointing:pointed', rooms.settings)
  const old = store.transaction(() => {
    if (release.state === 'pending') store.releases.makeLive(app.name, release.number)
    store.containers.setState(
      started.map(each => each.id),
      'wanted',
    )
    change.onLive?.()
    store.steps.done(step)
    return retire.begin(app, plan.retire, rooms)
  })
  crashAt('live', rooms.settings)
  // A change that changes nothing is nothing to tell.
  if (release.state === 'pending' || started.length + plan.retire.length > 0) tell(change, call, rooms)
  call.live?.()
  if (old) rooms.background.run(`retire ${old.id}`, () => retire.finish(old, rooms))
}

function tell({ app, release, why = release.why }: Rollout, call: Call, rooms: Rooms): void {
  const isNew = release.state === 'pending'
  rooms.events.tell({
    kind: isNew ? 'released' : 'rolled-out',
    app: app.name,
    by: call.by.person,
    text: isNew
      ? `Release ${release.number} of ${app.name} is live (${release.why}).`
      : `${app.name} runs release ${release.number} in other containers (${why}).`,
    data: {
      release: release.number,
      why: isNew ? release.why : why,
      ...(release.revision ? { revision: release.revision } : {}),
    },
  })
}
