import { containersOf, instanceLabels, type Rooms } from '../core/rooms.ts'
import type { AppName } from '../types.ts'
import { collectImages } from './image.ts'

/** How often, by the clock: at a quiet hour, and not at the full one, when everything else runs. */
export const upkeepAt = '43 3 * * *'

/**
 * Takes away what nothing needs any more and an earlier try left: images past the last ten, untagged layers, tasks that ended. Packs
 * repositories. What cannot go now is tried again the next time.
 */
export async function upkeep(rooms: Rooms): Promise<void> {
  for (const app of rooms.store.apps.list()) {
    if (rooms.queue.busy(app.name)) continue
    await upkeepOf(app.name, rooms).catch((err: unknown) =>
      rooms.log.warn({ err, app: app.name }, 'the upkeep of an app failed; it is tried again'),
    )
  }
  await removeUntagged(rooms)
}

async function upkeepOf(app: AppName, rooms: Rooms): Promise<void> {
  await collectImages(app, rooms)
  await removeEndedTasks(app, rooms)
  await rooms.repositories.gc(app, { signal: rooms.signal })
}

async function removeEndedTasks(app: AppName, rooms: Rooms): Promise<void> {
  const infos = await containersOf(app, rooms)
  const ended = infos.filter(
    each => each.labels['com.davit.task'] && (each.state === 'exited' || each.state === 'dead'),
  )
  for (const each of ended) await rooms.engine.remove(each.name)
}

/** Layers of ours without a name: a build that was cut off, or an image whose tag went while a container still used it. */
async function removeUntagged(rooms: Rooms): Promise<void> {
  const images = await rooms.engine.images(instanceLabels(rooms))
  for (const image of images.filter(each => each.tags.length === 0)) await rooms.engine.removeImage(image.id)
}
