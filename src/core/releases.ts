import { rollback } from '../deploy/deploy.ts'
import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { App, Release } from '../types.ts'
import { getApp } from './apps.ts'
import type { Rooms } from './rooms.ts'

export function createReleases(rooms: Rooms): Core['releases'] {
  const { store } = rooms
  return {
    list: app => store.releases.list(app),
    live: app => store.releases.live(app),
    get: (app, number) => getRelease(getApp(app, rooms), number, rooms),
    config: release => store.releases.config(release),
    async rollback(name, number, call) {
      const app = getApp(name, rooms)
      targetOf(app, number, rooms)
      return rollback(app, () => targetOf(app, number, rooms), call, rooms)
    },
  }
}

function getRelease(app: App, number: number, { store }: Rooms): Release {
  const release = store.releases.find(app.name, number)
  if (release) return release
  throw new UserError(
    'release-missing',
    `${app.name} has no release ${number}.`,
    `See its releases: releases:list ${app.name}`,
  )
}

/** Failed releases, and the live one, are no targets. */
function targetOf(app: App, number: number | undefined, rooms: Rooms): Release {
  const release =
    number === undefined ? rooms.store.releases.previous(app.name) : getRelease(app, number, rooms)
  if (!release) throw new UserError('no-previous', `${app.name} has no release to go back to.`)
  if (release.state === 'live')
    throw new UserError('already-live', `Release ${release.number} is live already.`)
  if (release.state !== 'superseded')
    throw new UserError(
      'release-failed',
      `Release ${release.number} was never live.`,
      'Roll back to one that was.',
    )
  return release
}
