import { setTimeout as pause } from 'node:timers/promises'

import { finishDestroy } from '../core/apps.ts'
import { instanceLabels, type Rooms } from '../core/rooms.ts'
import type { ContainerInfo } from '../docker/engine.ts'
import type { App, Container } from '../types.ts'
import { isStopped } from './deploy.ts'
import { ensureShared, sharedIn } from './joint-network.ts'
import { createLoops, type Loops, tellLoop } from './loops.ts'
import { ensureNetwork } from './network.ts'
import { createPauses, type Pauses } from './pauses.ts'
import { engineForm } from './rollout.ts'
import { createRounds } from './rounds.ts'
import { bringBackServices, finishServices } from './service-rounds.ts'
import { resume } from './steps.ts'
import { removeUnknown, removeUnknownNetworks } from './strays.ts'

/** Makes the engine as the store says, from the recorded specs and without calling hooks. */
export interface Reconciler {
  /** At once, on the engine's events, and every 30 s, until the daemon's end. What comes while it is at it is joined into one more time. */
  watch(): Promise<void>
}

const everyMs = 30_000
/** How many apps are brought back at once. */
const together = 4

export function createReconciler(rooms: Rooms): Reconciler {
  const { signal } = rooms
  const pauses = createPauses()
  const loops = createLoops()
  const ofServices = { pauses: createPauses(), loops: createLoops() }
  // What visitors wait for does not wait for the rest, which takes its time.
  const apps = createRounds(() => quietly(() => bringBackAll({ pauses, loops }, rooms), rooms), {
    longestMs: everyMs,
    next: pauses.next,
    signal,
  })
  // Apps need them, but neither waits for the other.
  const services = createRounds(() => quietly(() => bringBackServices(ofServices, rooms), rooms), {
    longestMs: everyMs,
    next: ofServices.pauses.next,
    signal,
  })
  const rest = createRounds(() => quietly(() => tidyUp(rooms), rooms), { longestMs: everyMs, signal })
  const now = () => {
    services.now()
    apps.now()
    rest.now()
  }

  const hear = async () => {
    for await (const event of rooms.engine.events({ labels: instanceLabels(rooms), signal: rooms.signal })) {
      // An engine that was away took its containers with it, however often: none of them is to blame.
      if (event.kind === 'reconnected') for (const each of [pauses, ofServices.pauses]) each.forgetAll()
      if (event.kind === 'reconnected' || telling.has(event.action)) now()
    }
  }

  return {
    async watch() {
      now()
      const timer = setInterval(now, everyMs)
      rooms.signal.addEventListener('abort', () => clearInterval(timer), { once: true })
      while (!rooms.signal.aborted) {
        await hear().catch((err: unknown) =>
          rooms.log.warn({ err }, "the engine's events broke off; listening again"),
        )
        await pause(1_000, undefined, { signal: rooms.signal }).catch(() => undefined)
      }
    },
  }
}

/** What the engine says when a container may have to be brought back. */
const telling = new Set(['die', 'destroy', 'oom', 'stop', 'rename'])

/** Answers whether all of it came about. What did not is in the log. */
async function quietly(work: () => Promise<boolean>, { log }: Rooms): Promise<boolean> {
  try {
    return await work()
  } catch (err) {
    log.warn({ err }, 'reconciling did not end; it is tried again')
    return false
  }
}

/** Whatever was cut off, or has no owner. */
async function tidyUp(rooms: Rooms): Promise<boolean> {
  await resume(rooms)
  await removeUnknown(rooms)
  await removeUnknownNetworks(rooms)
  const [services, apps] = await Promise.all([
    finishServices(rooms),
    eachApp(rooms, async app => {
      if (app.retired && !rooms.queue.busy(app.name)) await finishDestroy(app, rooms)
    }),
  ])
  return services && apps
}

interface Memory {
  readonly pauses: Pauses
  readonly loops: Loops
}

async function bringBackAll(memory: Memory, rooms: Rooms): Promise<boolean> {
  const infos = await rooms.engine.containers(instanceLabels(rooms))
  const names = new Set(rooms.store.containers.list().map(each => each.name))
  memory.pauses.keepOnly(names)
  memory.loops.keepOnly(names)
  return eachApp(rooms, async app => {
    if (!app.retired) await reconcileApp(app, infos, memory, rooms)
  })
}

/** In order, some at once. Answers whether it went well with all of them. */
async function eachApp(rooms: Rooms, work: (app: App) => Promise<void>): Promise<boolean> {
  const rest = rooms.store.apps.list().values()
  let isDone = true
  const one = async () => {
    for (const { name } of rest) {
      // The apps before took their time: this one may be gone by now, or its name another's.
      const app = rooms.store.apps.find(name)
      try {
        if (app) await work(app)
      } catch (err) {
        rooms.log.warn({ err, app: name }, 'an app could not be reconciled; it is tried again')
        isDone = false
      }
    }
  }
  await Promise.all(Array.from({ length: together }, one))
  return isDone
}

async function reconcileApp(
  app: App,
  infos: readonly ContainerInfo[],
  { pauses, loops }: Memory,
  rooms: Rooms,
): Promise<void> {
  await ensureRepository(app, rooms)
  if (isStopped(app, rooms)) return
  for (const container of wantedOf(app, rooms)) {
    const listed = infos.find(each => each.name === container.name)
    // The list is older than a rollout that went live since.
    const info = serves(listed, container, rooms) ? listed : await rooms.engine.inspect(container.name)
    if (!wantedOf(app, rooms).some(each => each.id === container.id)) continue
    if (info && loops.seen(container.name, info.restarts)) tellLoop(container, info, rooms)
    if (serves(info, container, rooms)) pauses.runs(container.name, info.startedAt)
    else if (pauses.due(container.name)) {
      if (info) loops.again(container.name)
      if (!(await bringBack(container, info, rooms))) pauses.wait(container.name)
      else if (isTakenAway(info)) pauses.forget(container.name)
    }
  }
}

/** By somebody, rather than ended by itself; its end is told while its removal still goes on. */
function isTakenAway(info: ContainerInfo | undefined): boolean {
  return info === undefined || info.state === 'removing' || info.state === 'dead'
}

/** Before anybody may push: one that is missing is made. */
export async function ensureRepositories(rooms: Rooms): Promise<void> {
  for (const app of rooms.store.apps.list()) if (!app.retired) await ensureRepository(app, rooms)
}

/** A daemon killed while it made an app may have left the row alone. A renaming moves the repository itself. */
async function ensureRepository({ name }: App, { store, repositories }: Rooms): Promise<void> {
  if (!store.steps.list().some(each => each.app === name)) await repositories.ensure(name)
}

function wantedOf({ name }: App, { store }: Rooms): Container[] {
  return store.containers.of(name).filter(each => each.state === 'wanted')
}

/** One whose network was taken away runs on, where nobody reaches it. */
function serves(
  info: ContainerInfo | undefined,
  { app, address }: Container,
  { store }: Rooms,
): info is ContainerInfo {
  if (info?.state === 'restarting') return true
  return info?.state === 'running' && info.addresses[store.networks.of(app)?.name ?? ''] === address
}

/** Answers whether it runs now. One that has ended is started as it is; anything odd is made anew from its recorded spec. */
async function bringBack(
  container: Container,
  info: ContainerInfo | undefined,
  rooms: Rooms,
): Promise<boolean> {
  const { engine, store, log } = rooms
  const was = info?.state ?? 'gone'
  log.warn(
    { app: container.app, container: container.name, was, exit: info?.exitCode },
    'starting a container again',
  )
  try {
    await ensureNetwork(container.app, rooms)
    await ensureShared(sharedIn(store.containers.spec(container)), rooms)
    if (!(await startsAsItIs(container, info, rooms))) {
      await engine.remove(container.name)
      await engine.create(engineForm(container, store.containers.spec(container), rooms))
      await engine.start(container.name)
    }
    await engine.setRestart(container.name, true)
    return true
  } catch (err) {
    log.error({ err, container: container.name }, 'a container could not be started; it is tried again')
    return false
  }
}

/** One that has ended does, unless its network was made anew since. */
async function startsAsItIs(
  { name }: Container,
  info: ContainerInfo | undefined,
  { engine, log }: Rooms,
): Promise<boolean> {
  if (info?.state !== 'exited' && info?.state !== 'created') return false
  try {
    await engine.start(name)
    return true
  } catch (err) {
    log.warn({ err, container: name }, 'a container does not start as it is; it is made anew')
    return false
  }
}
