import type { Rooms } from '../core/rooms.ts'
import type { App, Call, Release } from '../types.ts'
import { announce } from './arrival.ts'
import { personsConfig, record, refuseGone } from './deploy.ts'
import { randomHex } from './random.ts'
import { rollout } from './rollout.ts'
import { copySite, imageOf, siteIn } from './site.ts'
import { recorded } from './steps.ts'

interface Adoption {
  readonly from: App
  readonly release: Release
  /** Called in the transaction that makes it live. */
  readonly onLive: () => void
}

/** What is live of one app goes live for another, with that one's own config. In the turn of both. UserError `image-gone`. */
export async function adopt(
  app: App,
  { from, release: theirs, onLive }: Adoption,
  call: Call,
  rooms: Rooms,
): Promise<void> {
  await refuseGone(from, theirs, rooms)
  const site = siteIn(theirs.image)
  const copy = site === undefined ? undefined : randomHex(8)
  const data = copy === undefined ? {} : { site: copy }
  await recorded({ app, kind: 'rerelease', data }, rooms, async begun => {
    if (site !== undefined && copy !== undefined)
      await copySite({ app: from, site }, { app, site: copy }, rooms)
    const image = copy === undefined ? theirs.image : imageOf(copy)
    const { revision, procfile, port } = theirs
    const config = personsConfig(app, rooms)
    const noted = { image, revision, procfile, port, config, why: `clone of ${from.name}` }
    const { release, step } = await record(app, noted, { step: begun, tag: image, call }, rooms)
    await rollout({ app, release, step, onLive }, call, rooms)
  })
  await announce(app, call, rooms)
}
