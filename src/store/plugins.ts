import type { Ground } from './ground.ts'

/** What is installed, and what is off until somebody turns it on. */
export interface PluginRecords {
  find(name: string): PluginRecord | undefined
  list(): readonly PluginRecord[]
  /** Installed, or another version in place of the one before; on, whatever it was. */
  put(name: string, installed: Omit<InstalledPlugin, 'at'>): void
  disable(name: string): void
  /** Off because of what it did. */
  fault(name: string, reason: string): void
  enable(name: string): void
  remove(name: string): void
  /** Not installed any more, and what it kept has to go: until `remove`. */
  purge(name: string): void
  purging(): readonly string[]
}

export interface PluginRecord {
  readonly name: string
  /** Undefined for what came with Davit. */
  readonly installed: InstalledPlugin | undefined
  readonly disabled: boolean
  readonly fault: string | undefined
}

export interface InstalledPlugin {
  /** The address it was fetched from; `tar` for what came in one. */
  readonly source: string
  /** The branch, tag or commit that was asked for; undefined: what the repository's HEAD names. */
  readonly committish: string | undefined
  /** Of git; for a tar the hash of what is in it. */
  readonly commit: string
  readonly at: Date
}

interface Row {
  name: string
  source: string | null
  committish: string | null
  commit: string | null
  installed_at: number | null
  disabled: 0 | 1
  fault: string | null
}

const select = 'SELECT name, source, committish, "commit", installed_at, disabled, fault FROM plugins'

export function openPlugins({ prepare, now }: Ground): PluginRecords {
  const find = prepare<[string], Row>(`${select} WHERE name = ?`)
  const list = prepare<[], Row>(`${select} ORDER BY name`)
  const put = prepare<
    [{ name: string; source: string; committish: string | null; commit: string; at: number }]
  >(
    `INSERT INTO plugins (name, source, committish, "commit", installed_at) VALUES (@name, @source, @committish, @commit, @at)
     ON CONFLICT (name) DO UPDATE SET source = excluded.source, committish = excluded.committish, "commit" = excluded."commit",
       installed_at = excluded.installed_at, disabled = 0, fault = NULL, purging = 0`,
  )
  const turn = prepare<[{ name: string; disabled: 0 | 1; fault: string | null }]>(
    `INSERT INTO plugins (name, disabled, fault) VALUES (@name, @disabled, @fault)
     ON CONFLICT (name) DO UPDATE SET disabled = excluded.disabled, fault = excluded.fault`,
  )
  const remove = prepare<[string]>('DELETE FROM plugins WHERE name = ?')
  const purge = prepare<[string]>(
    `INSERT INTO plugins (name, purging) VALUES (?, 1)
     ON CONFLICT (name) DO UPDATE SET source = NULL, committish = NULL, "commit" = NULL, installed_at = NULL, disabled = 0,
       fault = NULL, purging = 1`,
  )
  const purging = prepare<[], { name: string }>('SELECT name FROM plugins WHERE purging ORDER BY name')

  return {
    find(name) {
      const row = find.get(name)
      return row && record(row)
    },
    list: () => list.all().map(record),
    put: (name, { source, committish, commit }) =>
      void put.run({ name, source, committish: committish ?? null, commit, at: now().getTime() }),
    disable: name => void turn.run({ name, disabled: 1, fault: null }),
    fault: (name, reason) => void turn.run({ name, disabled: 0, fault: reason }),
    enable: name => void turn.run({ name, disabled: 0, fault: null }),
    remove: name => void remove.run(name),
    purge: name => void purge.run(name),
    purging: () => purging.all().map(each => each.name),
  }
}

function record({ name, source, committish, commit, installed_at, disabled, fault }: Row): PluginRecord {
  return {
    name,
    installed:
      source === null || commit === null
        ? undefined
        : { source, committish: committish ?? undefined, commit, at: new Date(installed_at!) },
    disabled: disabled === 1,
    fault: fault ?? undefined,
  }
}
