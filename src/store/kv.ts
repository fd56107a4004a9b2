import type { App } from '../types.ts'
import type { Ground } from './ground.ts'

/** By plugin name. */
export interface Values {
  get(plugin: string, key: string): unknown
  set(plugin: string, key: string, value: unknown): void
  remove(plugin: string, key: string): void
  list(plugin: string): readonly { readonly key: string; readonly value: unknown }[]
}

export interface PluginValues extends Values {
  /** Those of one app, which go with it. */
  of(app: App): Values
  /** Gives one app what all plugins keep for another. */
  copy(from: App, to: App): void
  /** All that a plugin keeps, for all apps too. */
  purge(plugin: string): void
  /** Whether it keeps anything. */
  any(plugin: string): boolean
}

/** Sealed, because plugins keep passwords here. Values are what JSON can say. */
export function openKv({ prepare, seal }: Ground): PluginValues {
  const find = prepare<[number, string, string], Row>(
    'SELECT key, value FROM kv WHERE coalesce(app, 0) = ? AND plugin = ? AND key = ?',
  )
  const set = prepare<[number, string, string, Buffer]>(
    `INSERT INTO kv (app, plugin, key, value) VALUES (nullif(?, 0), ?, ?, ?)
     ON CONFLICT (coalesce(app, 0), plugin, key) DO UPDATE SET value = excluded.value`,
  )
  const remove = prepare<[number, string, string]>(
    'DELETE FROM kv WHERE coalesce(app, 0) = ? AND plugin = ? AND key = ?',
  )
  const list = prepare<[number, string], Row>(
    'SELECT key, value FROM kv WHERE coalesce(app, 0) = ? AND plugin = ? ORDER BY key',
  )
  const ofAll = prepare<[number], Row & { plugin: string }>(
    'SELECT plugin, key, value FROM kv WHERE coalesce(app, 0) = ?',
  )
  const purge = prepare<[string]>('DELETE FROM kv WHERE plugin = ?')
  const any = prepare<[string], { there: 1 }>('SELECT 1 AS there FROM kv WHERE plugin = ? LIMIT 1')
  const place = (at: number, plugin: string, key: string) => ['kv', ...(at === host ? [] : [at]), plugin, key]

  const valuesAt = (at: number): Values => ({
    get(plugin, key) {
      const row = find.get(at, plugin, key)
      return row && JSON.parse(seal.open(row.value, place(at, plugin, key)))
    },
    set(plugin, key, value) {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new TypeError(`${plugin} may keep only what JSON can say under ${key}`)
      set.run(at, plugin, key, seal.seal(text, place(at, plugin, key)))
    },
    remove: (plugin, key) => void remove.run(at, plugin, key),
    list: plugin =>
      list.all(at, plugin).map(({ key, value }) => ({
        key,
        value: JSON.parse(seal.open(value, place(at, plugin, key))),
      })),
  })

  return {
    ...valuesAt(host),
    of: app => valuesAt(app.id),
    purge: plugin => void purge.run(plugin),
    any: plugin => any.get(plugin) !== undefined,
    copy(from: App, to: App) {
      for (const { plugin, key, value } of ofAll.all(from.id)) {
        const text = seal.open(value, place(from.id, plugin, key))
        set.run(to.id, plugin, key, seal.seal(text, place(to.id, plugin, key)))
      }
    },
  }
}

interface Row {
  readonly key: string
  readonly value: Buffer
}

/** No app has this number. */
const host = 0
