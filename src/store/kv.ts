import type { Ground } from './ground.ts'
import type { PluginValues } from './store.ts'

/** Sealed, because plugins keep passwords here. Values are what JSON can say. */
export function openKv({ prepare, seal }: Ground): PluginValues {
  const find = prepare<[string, string], { value: Buffer }>(
    'SELECT value FROM kv WHERE plugin = ? AND key = ?',
  )
  const set = prepare<[string, string, Buffer]>(
    `INSERT INTO kv (plugin, key, value) VALUES (?, ?, ?)
     ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value`,
  )
  const remove = prepare<[string, string]>('DELETE FROM kv WHERE plugin = ? AND key = ?')
  const list = prepare<[string], { key: string; value: Buffer }>(
    'SELECT key, value FROM kv WHERE plugin = ? ORDER BY key',
  )
  const open = (plugin: string, key: string, value: Buffer): unknown =>
    JSON.parse(seal.open(value, ['kv', plugin, key]))

  return {
    get(plugin, key) {
      const row = find.get(plugin, key)
      return row && open(plugin, key, row.value)
    },
    set(plugin, key, value) {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new TypeError(`${plugin} may keep only what JSON can say under ${key}`)
      set.run(plugin, key, seal.seal(text, ['kv', plugin, key]))
    },
    remove: (plugin, key) => void remove.run(plugin, key),
    list: plugin => list.all(plugin).map(({ key, value }) => ({ key, value: open(plugin, key, value) })),
  }
}
