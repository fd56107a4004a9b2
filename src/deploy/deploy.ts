import { isDeepStrictEqual } from 'node:util'

import { refuseOff } from '../core/dependencies.ts'
import type { Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { App, Call, Env, Release, Source, Step } from '../types.ts'
import { announce } from './arrival.ts'
import { build } from './build.ts'
import { crashAt } from './crash.ts'
import { exclusive } from './exclusive.ts'
import { imageTag } from './image.ts'
import { randomHex } from './random.ts'
import { runReleaseCommand } from './release-command.ts'
import { type Rollout, rollout } from './rollout.ts'
import { hasSite, siteIn } from './site.ts'
import { recorded } from './steps.ts'

/** The road: a source becomes an image, the image a release, and the release goes live. Throws with nothing changed. */
export async function deploy(app: App, source: Source, call: Call, rooms: Rooms): Promise<Release> {
  refuseLocked(app, rooms)
  refuseOff(app, rooms)
  const attempt = { kind: 'build', what: 'push', revision: source.revision } as const
  return exclusive({ app, attempt, call }, rooms, call =>
    rooms.slots.take(call, async () => {
      const release = await recorded({ app, kind: 'deploy', data: {} }, rooms, step =>
        buildAndRollOut(app, source, { step, call }, rooms),
      )
      await announce(app, call, rooms)
      return release
    }),
  )
}

async function buildAndRollOut(
  app: App,
  source: Source,
  { step: begun, call }: { step: Step; call: Call },
  rooms: Rooms,
): Promise<Release> {
  const site = randomHex(8)
  const tag = imageTag(app.name, `build-${site}`, rooms)
  const tagged = rooms.store.steps.advance(begun, { phase: 'building', data: { tags: [tag], site } })
  crashAt('deploy:begun', rooms.settings)
  const whole = (await source.whole?.(call)) ?? source
  const built = await build(app, whole, { tag, site, call }, rooms)
  crashAt('deploy:built', rooms.settings)
  const noted = { ...built, revision: source.revision, config: personsConfig(app, rooms), why: 'push' }
  const { release, step } = await record(app, noted, { step: tagged, tag, call }, rooms)
  call.out.step(`Release ${release.number} of ${app.name}`)
  const prepare = (now: Call) => runReleaseCommand(app, release, now, rooms)
  const onLive = () => notStopped(app, rooms)
  await rollout({ app, release, step, prepare, onLive, onTrial: true }, call, rooms)
  return release
}

/** New config in front of traffic: a release from the live one's image. Before the first deploy, or stopped, there is nothing to do. */
export async function redeploy(app: App, what: string, call: Call, rooms: Rooms): Promise<void> {
  if (isIdle(app, rooms) && !isUp(app, rooms)) return
  await exclusive({ app, attempt: { kind: 'deploy', what }, call }, rooms, async call => {
    if (!isUp(app, rooms)) return
    const live = rooms.store.releases.live(app.name)!
    await again(app, live, { why: what, config: personsConfig(app, rooms), call }, rooms)
  })
}

/** The code, Procfile and config of an older release, as a new one. UserError `image-gone`. */
export async function rollback(app: App, target: () => Release, call: Call, rooms: Rooms): Promise<Release> {
  const what = 'releases:rollback'
  return exclusive({ app, attempt: { kind: 'deploy', what }, call }, rooms, async call => {
    const old = target()
    await refuseGone(app, old, rooms)
    const config = withoutProvided(app, rooms.store.releases.config(old), rooms)
    const before = personsConfig(app, rooms)
    const onLive = () => {
      // What a person sets meanwhile is newer than the rollback and stays.
      const untouched = (key: string) => personsConfig(app, rooms)[key] === before[key]
      const unset = Object.keys(before).filter(key => !Object.hasOwn(config, key) && untouched(key))
      const set = Object.fromEntries(Object.entries(config).filter(([key]) => untouched(key)))
      rooms.store.config.change(app.name, { set, unset })
      notStopped(app, rooms)
    }
    return again(app, old, { why: `rollback to ${old.number}`, config, call, rollout: { onLive } }, rooms)
  })
}

/** UserError `image-gone`. */
export async function refuseGone(app: App, { image, number }: Release, rooms: Rooms): Promise<void> {
  const site = siteIn(image)
  if (site === undefined ? await rooms.engine.image(image) : await hasSite(app, site, rooms)) return
  throw new UserError(
    'image-gone',
    `The image of release ${number} is no longer kept.`,
    `See what is there: releases:list ${app.name}`,
  )
}

export interface Respread extends Pick<Rollout, 'fresh' | 'formation' | 'prepare' | 'onLive'> {
  /** Said to those who wait, and where it makes a release, the reason listed. */
  readonly what: string
  /** Brings a stopped app back; otherwise a stopped app stays so and only `onLive` counts. */
  readonly starts?: boolean
  /** Config that was stored without a restart goes live with it, as a release of its own. */
  readonly takesConfig?: boolean
}

/** The live release in a new spread: scale, restart, start. With nothing deployed only `onLive` counts. */
export async function respread(app: App, change: Respread, call: Call, rooms: Rooms): Promise<void> {
  const { what, starts, takesConfig, ...how } = change
  const nothing = () => !isUp(app, rooms) && !(starts && rooms.store.releases.live(app.name))
  if (isIdle(app, rooms) && nothing()) return how.onLive?.()
  await exclusive({ app, attempt: { kind: 'deploy', what }, call }, rooms, async call => {
    if (nothing()) return how.onLive?.()
    const release = rooms.store.releases.live(app.name)!
    const config = personsConfig(app, rooms)
    if (takesConfig && !isDeepStrictEqual(config, rooms.store.releases.config(release))) {
      await again(app, release, { why: what, config, call, rollout: how }, rooms)
    } else {
      await recorded({ app, kind: 'respread', data: {} }, rooms, step =>
        rollout({ app, release, step, why: what, ...how }, call, rooms),
      )
    }
  })
}

interface Again {
  readonly why: string
  readonly config: Env
  readonly call: Call
  readonly rollout?: Pick<Rollout, 'fresh' | 'formation' | 'prepare' | 'onLive'>
}

async function again(
  app: App,
  from: Release,
  { why, config, call, rollout: how }: Again,
  rooms: Rooms,
): Promise<Release> {
  return recorded({ app, kind: 'rerelease', data: {} }, rooms, async begun => {
    const { image, revision, procfile, port } = from
    const noted = { image, revision, procfile, port, config, why }
    const { release, step } = await record(app, noted, { step: begun, tag: image, call }, rooms)
    await rollout({ app, release, step, ...how }, call, rooms)
    return release
  })
}

type Noted = Pick<Release, 'image' | 'revision' | 'procfile' | 'port' | 'why'> & { readonly config: Env }

/** Lists the release and gives its image the release's own tag, both in the step, so that an undo takes both away. */
export async function record(
  app: App,
  noted: Noted,
  from: { step: Step; tag: string; call: Call },
  rooms: Rooms,
): Promise<{ release: Release; step: Step }> {
  const { store, engine } = rooms
  const { release, tag, step } = store.transaction(() => {
    const release = store.releases.add(app.name, { ...noted, by: from.call.by.person })
    const tag = imageTag(app.name, release.number, rooms)
    const tags = [...((from.step.data.tags as readonly string[] | undefined) ?? []), tag]
    const data = { ...from.step.data, release: release.number, tags }
    return { release, tag, step: store.steps.advance(from.step, { phase: 'released', data }) }
  })
  crashAt('release:recorded', rooms.settings)
  const site = siteIn(noted.image)
  if (site !== undefined) {
    if (!(await hasSite(app, site, rooms))) throw filesGone(noted.why)
    return { release, step }
  }
  await engine.tag(from.tag, tag)
  if (from.tag !== noted.image) await engine.removeImage(from.tag)
  crashAt('release:tagged', rooms.settings)
  return { release, step }
}

function filesGone(why: string): UserError {
  return new UserError('image-gone', `The files for this ${why} are no longer kept.`)
}

function refuseLocked(app: App, { store }: Rooms): void {
  if (store.properties.get('apps', app.name, 'locked') !== 'true') return
  throw new UserError(
    'app-locked',
    `${app.name} is locked: it is not deployed for now.`,
    `Open it again with: apps:unlock ${app.name}`,
  )
}

/** What a person set for the app; what plugins provide is in no release. */
export function personsConfig(app: App, { store }: Rooms): Env {
  return Object.fromEntries(
    store.config
      .list(app.name)
      .filter(each => each.owner === '')
      .map(each => [each.key, each.value]),
  )
}

/** Links stay where they are when a release comes back, and so do the values that come from them. */
function withoutProvided(app: App, config: Env, { store }: Rooms): Env {
  const provided = store.config.list(app.name).filter(each => each.owner !== '')
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => !provided.some(each => each.key === key)),
  )
}

function isUp(app: App, rooms: Rooms): boolean {
  return rooms.store.releases.live(app.name) !== undefined && !isStopped(app, rooms)
}

/** No change is under way that could make it otherwise. */
function isIdle({ name }: App, { queue }: Rooms): boolean {
  return !queue.busy(name)
}

export function isStopped(app: App, { store }: Pick<Rooms, 'store'>): boolean {
  return store.properties.get('ps', app.name, 'stopped') === 'true'
}

function notStopped(app: App, { store }: Rooms): void {
  store.properties.set('ps', app.name, 'stopped', undefined)
}
