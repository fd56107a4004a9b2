import { instanceLabels, type Rooms } from '../core/rooms.ts'
import type { ImageInfo } from '../docker/engine.ts'
import type { AppName, Release } from '../types.ts'
import { hasSite, removeSite, siteIn } from './site.ts'

/** `davit-app/<instance>/<app>:<tag>`: images of several instances on one engine never meet. */
export function imageTag(app: AppName, tag: string | number, { settings }: Pick<Rooms, 'settings'>): string {
  return `davit-app/${settings.instance}/${app}:${tag}`
}

/** How many distinct images of an app are kept, so that rollback needs no build and no registry. */
const kept = 10

/** Removes the tags of releases whose image is not among the last ten distinct ones. The live one and the one before always stay.
 * Answers how many went. */
export async function collectImages(app: AppName, rooms: Rooms): Promise<number> {
  const { store, engine } = rooms
  const unwanted = () => {
    const keep = wantedImages(app, store)
    return store.releases.list(app).filter(each => each.state !== 'pending' && !keep.has(each.image))
  }
  const there = new Set((await engine.images(instanceLabels(rooms))).flatMap(each => each.tags))
  const tags = unwanted().map(each => imageTag(app, each.number, rooms))
  let gone = 0
  for (const tag of tags.filter(each => there.has(each))) if (await engine.removeImage(tag)) gone++
  await collectSites(app, unwanted, rooms)
  return gone
}

/** Of the last ten distinct images that served, of the live release, the one before and any on its way. */
function wantedImages(app: AppName, { releases }: Rooms['store']): Set<string> {
  const all = releases.list(app)
  const served = all.filter(each => each.state === 'live' || each.state === 'superseded')
  const current = [
    releases.live(app),
    releases.previous(app),
    ...all.filter(each => each.state === 'pending'),
  ]
  const last = [...new Set(served.map(each => each.image))].slice(0, kept)
  return new Set([...last, ...current.flatMap(each => each?.image ?? [])])
}

/** Asked anew before each folder goes: a rollback may have taken it up meanwhile. */
async function collectSites(name: AppName, unwanted: () => readonly Release[], rooms: Rooms): Promise<void> {
  const app = rooms.store.apps.find(name)
  if (!app) return
  for (const site of new Set(unwanted().flatMap(each => siteIn(each.image) ?? []))) {
    const still = () => unwanted().some(each => siteIn(each.image) === site)
    if ((await hasSite(app, site, rooms)) && still()) await removeSite(app, site, rooms)
  }
}

/** Of these those without a name: a build that was cut off, or one whose tag went while a container used it. Answers how many went. */
export async function removeUntagged(
  images: readonly ImageInfo[],
  { engine }: Pick<Rooms, 'engine'>,
): Promise<number> {
  let gone = 0
  for (const { id } of images.filter(each => each.tags.length === 0)) if (await engine.removeImage(id)) gone++
  return gone
}
