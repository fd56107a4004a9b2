import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'

import { crashAt } from '../deploy/crash.ts'
import { servedFolder } from '../deploy/mounts.ts'
import { runProgram } from '../plugin/program.ts'
import type { Standing } from '../plugin/roster.ts'
import { findPluginUser } from '../plugin/user.ts'
import { plainEnv } from '../settings.ts'
import { readPluginName } from './plugin-copy.ts'
import { pluginFolder } from './plugin-places.ts'
import type { Rooms } from './rooms.ts'

/** What plugins kept, and how it is taken away: a row says that it has to be, so that a daemon that was killed goes on with it. */

type Purged = Pick<Rooms, 'settings' | 'store'>

/** Whether there is no such plugin, but something that one of that name kept. */
export function keptOnly(name: string, rooms: Purged & Pick<Rooms, 'roster'>): boolean {
  if (rooms.roster.find(name)) return false
  return rooms.store.kv.any(readPluginName(name)) || existsSync(pluginFolder(rooms, name))
}

/** From here on it is not installed, and only goes forward. */
export function notePurge({ name, plugin }: Standing, { settings, store }: Purged): void {
  // A topic of Davit's own has a `:set` of Davit's, beside which no plugin may bring another.
  const topics = (plugin?.commands ?? []).flatMap(each => /^(.+):set$/.exec(each.name)?.[1] ?? [])
  store.transaction(() => {
    for (const topic of topics) store.properties.purge(topic)
    store.plugins.purge(name)
  })
  crashAt('plugin:purging', settings)
}

export async function purgeKept(name: string, rooms: Purged): Promise<void> {
  rooms.store.plugins.purge(name)
  await finishPurge(name, rooms)
}

/** Values for the host and for apps, what it provides, its jobs, its folder, and what it gave the proxy to serve. */
export async function finishPurge(name: string, rooms: Purged): Promise<void> {
  const { settings, store } = rooms
  store.transaction(() => {
    store.kv.purge(name)
    store.config.purge(name)
    store.jobs.purge(name)
  })
  crashAt('plugin:purged', settings)
  await emptyAsItsUser(pluginFolder(rooms, name, 'data'))
  await rm(pluginFolder(rooms, name), { recursive: true, force: true })
  await rm(servedFolder(name, settings.data), { recursive: true, force: true })
  store.plugins.remove(name)
}

/** At the daemon's start. */
export async function finishPurges(rooms: Purged): Promise<void> {
  for (const name of rooms.store.plugins.purging()) await finishPurge(name, rooms)
}

/** What its programs made in folders of their own only their user can take away. */
async function emptyAsItsUser(folder: string): Promise<void> {
  const user = findPluginUser()
  if (!user || !existsSync(folder)) return
  const run = { file: 'find', args: [folder, '-mindepth', '1', '-delete'], folder: '/', env: {} }
  const { exit, said } = await runProgram(
    { ...run, input: nothing(), print: () => undefined, signal: AbortSignal.timeout(purgeMs) },
    { user, env: plainEnv() },
  )
  if (exit !== 0) throw new Error(`${folder} could not be emptied: ${said}`)
}

const purgeMs = 300_000

async function* nothing(): AsyncGenerator<never> {}
