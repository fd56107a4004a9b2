import { UserError } from '../errors.ts'
import type { AppName } from '../types.ts'
import type { Ground } from './ground.ts'
import type { ConfigValue, ConfigValues } from './store.ts'

interface Row {
  key: string
  value: Buffer
  owner: string
}

/** Stands for the host itself where an app's row id would. */
const host = 0

export function openConfig({ prepare, transaction, findApp, getApp, seal }: Ground): ConfigValues {
  const list = prepare<[number | null], Row>(
    'SELECT key, value, owner FROM config WHERE coalesce(app, 0) = ? ORDER BY key',
  )
  const find = prepare<[number, string], Row>(
    'SELECT key, value, owner FROM config WHERE coalesce(app, 0) = ? AND key = ?',
  )
  const set = prepare<[{ at: number; key: string; value: Buffer; owner: string }]>(
    `INSERT INTO config (app, key, value, owner) VALUES (nullif(@at, 0), @key, @value, @owner)
     ON CONFLICT (coalesce(app, 0), key) DO UPDATE SET value = excluded.value`,
  )
  const unset = prepare<[number, string]>('DELETE FROM config WHERE coalesce(app, 0) = ? AND key = ?')

  const purge = prepare<[string]>("DELETE FROM config WHERE owner = ? AND owner <> ''")

  const place = (at: number, key: string) => ['config', at, key]

  const found = (at: number, key: string, owner: string): ConfigValue | undefined => {
    const row = find.get(at, key)
    if (row && row.owner !== owner) throw owned(row)
    return row && { ...row, value: seal.open(row.value, place(at, key)) }
  }

  return {
    list(app) {
      const at = app === undefined ? host : findApp(app)
      if (at === null) return []
      return list.all(at).map(row => ({ ...row, value: seal.open(row.value, place(at, row.key)) }))
    },
    change: (app: AppName | undefined, change) =>
      transaction(() => {
        const at = app === undefined ? host : getApp(app)
        const { set: values = {}, unset: keys = [], owner = '' } = change
        const unwanted = keys.filter(key => !Object.hasOwn(values, key) && found(at, key, owner))
        const wanted = Object.entries(values).filter(([key, value]) => found(at, key, owner)?.value !== value)
        for (const key of unwanted) unset.run(at, key)
        for (const [key, value] of wanted) {
          set.run({ at, key, value: seal.seal(value, place(at, key)), owner })
        }
        return unwanted.length + wanted.length > 0
      }),
    purge: owner => void purge.run(owner),
  }
}

function owned({ key, owner }: Row): UserError {
  const fact = owner ? `${key} is provided by ${owner}.` : `${key} was set by a person.`
  return new UserError('config-owned', fact, 'Choose another name.')
}
