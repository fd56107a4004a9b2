import { containersOf, instanceLabels, type Rooms } from '../core/rooms.ts'
import { removeUnusedImages } from '../core/service-streams.ts'
import type { Job } from '../plugin/define.ts'
import type { Upkeep } from '../plugin/terms.ts'
import type { AppName } from '../types.ts'
import { createDiskWatch } from './disk.ts'
import { collectImages, removeUntagged } from './image.ts'

/** By the clock at a quiet hour, and not at the full one, when everything else runs. A day of builds may add more to the cache than a disk has. */
export const upkeepJobs = (rooms: Rooms): readonly Job[] => [
  {
    name: 'upkeep',
    about: 'Takes away what nothing needs any more, and packs repositories',
    schedule: '43 3 * * *',
    run: async () => void (await upkeep(rooms)),
  },
  {
    name: 'build-cache',
    about: 'Keeps the cache of builds within its bounds',
    schedule: '13 * * * *',
    run: async () => void (await upkeepOfCache(rooms)),
  },
  {
    name: 'disk',
    about: 'Tells when the disk of Davit and its apps gets full',
    schedule: '*/10 * * * *',
    run: createDiskWatch(rooms),
  },
]

/**
 * Takes away what nothing needs any more and an earlier try left: images past the last ten, untagged layers, tasks that ended, old build
 * cache. Packs repositories. What cannot go now is tried again the next time.
 */
export async function upkeep(rooms: Rooms): Promise<Upkeep> {
  const done: Upkeep[] = []
  for (const { name } of rooms.store.apps.list()) {
    try {
      done.push(await upkeepOf(name, rooms))
    } catch (err) {
      rooms.log.warn({ err, app: name }, 'the upkeep of an app failed; it is tried again')
      done.push({ ...nothing, failed: [name] })
    }
  }
  // What is being built has no name yet either.
  const idle = (await rooms.engine.images(instanceLabels(rooms))).filter(
    each => !rooms.queue.busy(each.labels['com.davit.app'] as AppName),
  )
  const untagged = await removeUntagged(idle, rooms)
  const unused = await removeUnusedImages(rooms)
  return {
    images: done.reduce((sum, each) => sum + each.images, untagged + unused),
    cacheBytes: await upkeepOfCache(rooms),
    busy: done.flatMap(each => each.busy),
    failed: done.flatMap(each => each.failed),
  }
}

const nothing: Upkeep = { images: 0, cacheBytes: 0, busy: [], failed: [] }

/** An app that is being changed is left alone. */
export async function upkeepOf(app: AppName, rooms: Rooms): Promise<Upkeep> {
  if (rooms.queue.busy(app)) return { ...nothing, busy: [app] }
  const images = await collectImages(app, rooms)
  await removeEndedTasks(app, rooms)
  await rooms.repositories.gc(app, { signal: rooms.signal })
  return { ...nothing, images }
}

/** Hours after which a part of the cache that no build has used is taken for forgotten. */
const unusedHours = 30 * 24

/** Gigabytes, unless set otherwise. */
const usualCache = 10

async function upkeepOfCache({ store, engine }: Rooms): Promise<number> {
  const gigabytes = Number(store.properties.get('builds', undefined, 'cache') ?? usualCache)
  return engine.pruneCache({ unusedHours, bytes: gigabytes * 1e9 })
}

async function removeEndedTasks(app: AppName, rooms: Rooms): Promise<void> {
  const infos = await containersOf(app, rooms)
  const ended = infos.filter(
    each => each.labels['com.davit.task'] && (each.state === 'exited' || each.state === 'dead'),
  )
  for (const each of ended) await rooms.engine.remove(each.name)
}
