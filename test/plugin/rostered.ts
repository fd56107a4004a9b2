import pino from 'pino'
import type { Test } from 'tap'

import { unpack, usualArchive } from '../../src/deploy/unpack.ts'
import { appMissing } from '../../src/errors.ts'
import type { Core } from '../../src/plugin/core.ts'
import type { Kept, Kv } from '../../src/plugin/define.ts'
import type { Executables } from '../../src/plugin/executable.ts'
import { findFence } from '../../src/plugin/fence.ts'
import { placesIn } from '../../src/plugin/load.ts'
import { openRoster, type Roster, type RosterOptions } from '../../src/plugin/roster.ts'
import { plainEnv } from '../../src/settings.ts'
import type { App } from '../../src/types.ts'

export interface Rostered extends Pick<Roster, 'members'> {
  readonly roster: Roster
  refused(): readonly { readonly name: string; readonly reason: string }[]
}

/** The plugins in these folders as the daemon would have them; `data` is where their own folders are. */
export async function rostered(
  t: Test,
  folders: readonly string[],
  { data, apps = [], ...more }: Partial<RosterOptions> & { apps?: readonly App[] } = {},
): Promise<Rostered> {
  const roster = openRoster({
    data: data ?? t.testdir(),
    commands: ['apps:list'],
    kv: keptInMemory(),
    executables,
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    ...more,
  })
  t.teardown(() => roster.close())
  const places = folders.flatMap(folder => placesIn(folder, '1.0.0'))
  const find = (name: string) => apps.find(each => each.name === name)
  const get = (name: string) => {
    const app = find(name)
    if (!app) throw appMissing(name)
    return app
  }
  // The apps of the host are all that a plugin finds there.
  await roster.load(places, () => ({ apps: { list: () => apps, find, get } }) as unknown as Core)
  const refused = () =>
    roster.list().flatMap(({ name, off }) => (off === undefined ? [] : [{ name, reason: off }]))
  return { roster, members: roster.members, refused }
}

/** As the daemon itself runs them where it has no other user for them. */
export const executables: Executables = {
  user: undefined,
  fence: findFence(undefined, plainEnv()),
  env: plainEnv(),
  checkout: (source, folder, signal) =>
    unpack(source.archive({ signal }), { folder, signal, others: 'skip', most: usualArchive }),
}

/** For each name values of its own. */
export function keptInMemory(): (name: string) => Kv {
  const kept = new Map<string, Map<string, unknown>>()
  const at = (place: string): Kept => {
    const values = kept.get(place) ?? new Map<string, unknown>()
    kept.set(place, values)
    return {
      get: <T>(key: string) => values.get(key) as T | undefined,
      set: (key, value) => void values.set(key, value),
      remove: key => void values.delete(key),
      list: () => [...values].map(([key, value]) => ({ key, value })),
    }
  }
  return name => ({ ...at(name), of: app => at(`${name} ${app.id}`) })
}
