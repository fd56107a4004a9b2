import pino from 'pino'
import type { Test } from 'tap'

import { unpack, usualArchive } from '../../src/deploy/unpack.ts'
import type { Core } from '../../src/plugin/core.ts'
import type { Kept, Kv } from '../../src/plugin/define.ts'
import type { Executables } from '../../src/plugin/executable.ts'
import { placesIn } from '../../src/plugin/load.ts'
import { openRoster, type Roster, type RosterOptions } from '../../src/plugin/roster.ts'
import { plainEnv } from '../../src/settings.ts'

export interface Rostered extends Pick<Roster, 'members'> {
  readonly roster: Roster
  refused(): readonly { readonly name: string; readonly reason: string }[]
}

/** The plugins in these folders as the daemon would have them; `data` is where their own folders are. */
export async function rostered(
  t: Test,
  folders: readonly string[],
  { data, ...more }: Partial<RosterOptions> = {},
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
  // A host without apps is all that a plugin finds at its start.
  await roster.load(places, () => ({ apps: { list: () => [] } }) as unknown as Core)
  const refused = () =>
    roster.list().flatMap(({ name, off }) => (off === undefined ? [] : [{ name, reason: off }]))
  return { roster, members: roster.members, refused }
}

/** As the daemon itself runs them where it has no other user for them. */
export const executables: Executables = {
  user: undefined,
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
