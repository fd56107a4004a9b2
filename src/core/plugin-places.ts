import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { unpack, usualArchive } from '../deploy/unpack.ts'
import type { Logger } from '../log.ts'
import type { Executables } from '../plugin/executable.ts'
import { findFence } from '../plugin/fence.ts'
import { type Place, placesIn } from '../plugin/load.ts'
import { findPluginUser } from '../plugin/user.ts'
import { plainEnv, programVersion, root } from '../settings.ts'
import type { Rooms } from './rooms.ts'

/** Where an installed plugin's versions lie, each in a folder called after its commit. */
export function pluginFolder({ settings }: Pick<Rooms, 'settings'>, ...names: readonly string[]): string {
  return join(settings.data, 'plugins', ...names)
}

/** What was begun and did not come to be recorded, or was replaced: a daemon that was killed leaves it. */
export function sweepPlugins({ settings, store }: Pick<Rooms, 'settings' | 'store'>): void {
  const folder = pluginFolder({ settings })
  mkdirSync(folder, { recursive: true })
  // Programs of plugins pass through, as another user.
  chmodSync(folder, 0o711)
  const commits = new Map(store.plugins.list().map(({ name, installed }) => [name, installed?.commit]))
  const entries = readdirSync(folder, { withFileTypes: true })
  for (const { name } of entries.filter(each => each.isDirectory())) {
    if (name.startsWith('.')) rmSync(join(folder, name), { recursive: true, force: true })
    else
      for (const each of leftIn(join(folder, name)))
        if (each !== commits.get(name)) rmSync(join(folder, name, each), { recursive: true, force: true })
  }
}

/** Beside a plugin's own folder, `data`: its versions, and copies of sources for programs that ran. */
function leftIn(folder: string): readonly string[] {
  return readdirSync(folder).filter(name => /^(?:[0-9a-f]{40,64}$|\.)/.test(name))
}

export function isProgramFolder(folder: string): boolean {
  return existsSync(join(folder, 'plugin.json'))
}

/** Every plugin that is there: those that came with Davit first. */
export function placesOf({
  settings,
  store,
}: Pick<Rooms, 'settings' | 'store'>): (Place & { off: string | undefined })[] {
  const records = store.plugins.list()
  const own = placesIn(join(root, 'plugins'), programVersion())
  const installed = records.flatMap(({ name, installed }): readonly Place[] =>
    installed
      ? [
          {
            name,
            folder: pluginFolder({ settings }, name, installed.commit),
            version: installed.commit,
            origin: 'installed',
          },
        ]
      : [],
  )
  const offs = new Map(
    records.map(({ name, disabled, fault }) => [name, disabled ? 'it is disabled' : fault] as const),
  )
  return [...own, ...installed].map(place => ({ ...place, off: offs.get(place.name) }))
}

/** How programs of plugins are run here. */
export function executablesOf(log: Logger): Executables {
  const user = findPluginUser()
  if (!user)
    log.info('executable plugins run as the daemon itself: it cannot run them as the user davit-plugin here')
  const fence = findFence(user, plainEnv())
  if (!fence)
    log.info('what programs of plugins start may outlive them: this host gives them no process namespace')
  return {
    ...{ user, fence },
    env: plainEnv(),
    checkout: (source, folder, signal) =>
      unpack(source.archive({ signal }), { folder, signal, others: 'skip', most: usualArchive }),
  }
}
