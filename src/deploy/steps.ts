import { dropHalf } from '../core/clone.ts'
import { appLabels, containersOf, ownCall, type Rooms } from '../core/rooms.ts'
import { messageOf } from '../errors.ts'
import type { App, AppName, Step } from '../types.ts'
import { crashAt } from './crash.ts'
import { removeUntagged } from './image.ts'
import { renaming } from './rename.ts'
import { drain, retire } from './retire.ts'
import { removeSite, type Site } from './site.ts'

/** A change in front of traffic, from its first container or image to the moment its release is live. */
export interface RolloutData {
  /** The release to mark as failed, once there is one. */
  readonly release?: number
  /** Image tags that go with it. */
  readonly tags?: readonly string[]
  /** Its folder of files, where it has one. */
  readonly site?: Site
}

/**
 * A recorded change: the work with its step, or what it began undone; at once when it throws, at the next start when the process died.
 * What cannot be undone now (the engine is away) stays recorded and is tried again.
 */
export async function recorded<T>(
  change: { app: App; kind: string; data: RolloutData },
  rooms: Rooms,
  work: (step: Step) => Promise<T>,
): Promise<T> {
  const step = rooms.store.steps.begin(change.app.name, {
    kind: change.kind,
    phase: 'begun',
    data: { ...change.data },
  })
  try {
    return await work(step)
  } catch (error) {
    await undo(step, messageOf(error), rooms).catch((err: unknown) => {
      rooms.log.error({ err, app: step.app }, 'an undo failed; it is tried again')
    })
    throw error
  }
}

/** Back to what was live before: new containers, tags and an own network go, the release is listed as failed, the proxy points back. */
export async function undo(step: Step, failure: string, rooms: Rooms): Promise<void> {
  const { store, engine, log } = rooms
  const now = store.steps.list().find(each => each.id === step.id)
  const app = store.apps.find(step.app)
  if (!now || !app) return
  const { release, tags = [], site } = now.data as RolloutData
  const isBack = await rooms.routes.pointBack(app, ownCall(rooms)).then(
    () => true,
    (err: unknown) => {
      log.warn({ err }, 'the proxy is told when it is back')
      return false
    },
  )
  crashAt('undo:pointed', rooms.settings)
  const begun = store.containers.of(step.app).filter(each => each.state === 'starting')
  // A pointing or a trial may have led somebody to them.
  if (isBack) await drain(begun, rooms, { mostMs: 5_000 })
  await Promise.all(begun.map(each => engine.remove(each.name)))
  for (const each of begun) store.containers.remove(each.id)
  const tasks = (await containersOf(step.app, rooms)).filter(
    each => each.labels['com.davit.task'] === 'release',
  )
  await Promise.all(tasks.map(each => engine.remove(each.name)))
  crashAt('undo:containers', rooms.settings)
  await Promise.all(tags.map(tag => engine.removeImage(tag)))
  // An engine that ended while it made one, or took one away, may keep it without a name.
  await removeUntagged(await engine.images(appLabels(rooms, step.app)), rooms)
  if (site !== undefined) await removeSite(app, site, rooms)
  crashAt('undo:images', rooms.settings)
  await removeUnusedNetwork(step, rooms)
  store.transaction(() => {
    if (release !== undefined) store.releases.fail(step.app, release, failure)
    store.steps.done(now)
  })
}

async function removeUnusedNetwork({ app }: Step, rooms: Rooms): Promise<void> {
  const network = rooms.store.networks.of(app)
  if (!network || rooms.store.containers.of(app).length > 0) return
  if (rooms.store.services.links().some(each => each.app === app)) return
  if ((await containersOf(app, rooms)).length > 0) return
  await rooms.engine.removeNetwork(network.name)
  rooms.store.networks.remove(app)
}

/** At the daemon's start and while it runs: what had begun is undone, what had only to be finished is finished. */
export async function resume(rooms: Rooms): Promise<void> {
  rooms.attempts.catchUp()
  for (const step of rooms.store.steps.list()) {
    if (rooms.queue.busy(step.app)) continue
    if (step.kind === 'rename') rooms.background.run(`rename ${step.id}`, () => finishRename(step, rooms))
    else if (step.kind === 'retire')
      rooms.background.run(`retire ${step.id}`, () => retire.finish(step, rooms))
    else if (step.kind === 'clone') await undoClone(step, rooms)
    else await undoInterrupted(step, rooms)
  }
}

/** In its turn: a change that begins meanwhile has containers of its own. One app's failure keeps no other from being taken up. */
async function undoInterrupted(step: Step, rooms: Rooms): Promise<void> {
  const { log, queue } = rooms
  log.info({ app: step.app, step: step.kind, phase: step.phase }, 'an interrupted change is undone')
  const reason = 'Davit was stopped before the release was live.'
  await queue
    .exclusive(step.app, 'an undo', ownCall(rooms), () => undo(step, reason, rooms))
    .catch((err: unknown) => log.error({ err, app: step.app }, 'an undo failed; it is tried again'))
}

/** Of an app that was to be another's clone: it goes as one that is being destroyed. */
async function undoClone(step: Step, rooms: Rooms): Promise<void> {
  rooms.log.info({ app: step.app }, 'a clone that was not whole is taken away')
  await rooms.queue.exclusive(step.app, 'an undo', ownCall(rooms), async () => dropHalf(step, rooms))
}

async function finishRename(step: Step, rooms: Rooms): Promise<void> {
  const names = [step.data.was as AppName, step.app] as const
  await renaming.exclusive(names, ownCall(rooms), rooms, () => renaming.finish(step, ownCall(rooms), rooms))
}
