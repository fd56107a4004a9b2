import type { Rooms } from '../core/rooms.ts'
import type { AppName, Release } from '../types.ts'
import { hasSite, removeSite, siteIn } from './site.ts'

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
  await collectSites(app, gone, rooms)
}

/** The folders of these releases, but for one that a change under way has taken up again since. */
async function collectSites(name: AppName, gone: readonly Release[], rooms: Rooms): Promise<void> {
  const app = rooms.store.apps.find(name)
  if (!app) return
  for (const site of new Set(gone.flatMap(each => siteIn(each.image) ?? []))) {
    const pending = () =>
      rooms.store.releases.list(name).some(each => each.state === 'pending' && siteIn(each.image) === site)
    if ((await hasSite(app, site, rooms)) && !pending()) await removeSite(app, site, rooms)
  }
}
