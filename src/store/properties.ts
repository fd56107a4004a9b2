import type { AppName } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Properties } from './store.ts'

/** Stands for the host itself where an app's row id would. */
const host = 0

/** Sealed too, because some of them are passwords and tokens. */
export function openProperties({ prepare, findApp, getApp, seal }: Ground): Properties {
  const find = prepare<[string, number, string], { value: Buffer }>(
    'SELECT value FROM properties WHERE topic = ? AND coalesce(app, 0) = ? AND key = ?',
  )
  const set = prepare<[{ topic: string; at: number; key: string; sealed: Buffer }]>(
    `INSERT INTO properties (topic, app, key, value) VALUES (@topic, nullif(@at, 0), @key, @sealed)
     ON CONFLICT (topic, coalesce(app, 0), key) DO UPDATE SET value = excluded.value`,
  )
  const all = prepare<[number | null], { topic: string; key: string; value: Buffer }>(
    'SELECT topic, key, value FROM properties WHERE app = ? ORDER BY topic, key',
  )
  const clear = prepare<[string, number, string]>(
    'DELETE FROM properties WHERE topic = ? AND coalesce(app, 0) = ? AND key = ?',
  )
  const purge = prepare<[string]>('DELETE FROM properties WHERE topic = ?')
  const place = (topic: string, at: number, key: string) => ['properties', topic, at, key]
  return {
    of(app) {
      const at = findApp(app)
      return all
        .all(at)
        .map(({ topic, key, value }) => ({ topic, key, value: seal.open(value, place(topic, at!, key)) }))
    },
    get(topic, app: AppName | undefined, key) {
      const at = app === undefined ? host : findApp(app)
      const row = at === null ? undefined : find.get(topic, at, key)
      return row && seal.open(row.value, place(topic, at!, key))
    },
    set(topic, app: AppName | undefined, key, value) {
      const at = app === undefined ? host : getApp(app)
      if (value === undefined) clear.run(topic, at, key)
      else set.run({ topic, at, key, sealed: seal.seal(value, place(topic, at, key)) })
    },
    purge: topic => void purge.run(topic),
  }
}
