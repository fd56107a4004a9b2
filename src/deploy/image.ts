import type { Rooms } from '../core/rooms.ts'
import type { AppName } from '../types.ts'

/** `davit-app/<instance>/<app>:<tag>`: images of several instances on one engine never meet. */
export function imageTag(app: AppName, tag: string | number, { settings }: Pick<Rooms, 'settings'>): string {
  return `davit-app/${settings.instance}/${app}:${tag}`
}

/** How many distinct images of an app are kept, so that rollback needs no build and no registry. */
const kept = 10

/** Removes the tags of releases whose image is not among the last ten distinct ones. The live one and the one before always stay. */
export async function collectImages(app: AppName, rooms: Rooms): Promise<void> {
  const { store, engine } = rooms
  const releases = store.releases.list(app)
  const served = releases.filter(each => each.state === 'live' || each.state === 'superseded')
  const images = new Set([...new Set(served.map(each => each.image))].slice(0, kept))
  for (const now of [store.releases.live(app), store.releases.previous(app)]) if (now) images.add(now.image)
  const gone = releases.filter(each => each.state !== 'pending' && !images.has(each.image))
  for (const each of gone) await engine.removeImage(imageTag(app, each.number, rooms))
}
