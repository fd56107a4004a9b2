import { appMissing, nameTaken } from '../errors.ts'
import type { App, AppName } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Apps } from './store.ts'

interface Row {
  id: number
  name: string
  created_at: number
  retired: number
}

export function openApps({ prepare, now }: Ground): Apps {
  const find = prepare<[string], Row>('SELECT * FROM apps WHERE name = ?')
  const list = prepare<[], Row>('SELECT * FROM apps ORDER BY name')
  const add = prepare<[string, number], Row>(
    'INSERT INTO apps (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING RETURNING *',
  )
  const rename = prepare<[string, string], Row>(
    'UPDATE OR IGNORE apps SET name = ? WHERE name = ? RETURNING *',
  )
  const retire = prepare<[string]>('UPDATE apps SET retired = 1 WHERE name = ?')
  const remove = prepare<[string]>('DELETE FROM apps WHERE name = ?')
  return {
    find(name) {
      const row = find.get(name)
      return row && app(row)
    },
    list: () => list.all().map(app),
    add(name) {
      const row = add.get(name, now().getTime())
      if (row) return app(row)
      throw nameTaken()
    },
    rename(name, to) {
      if (!find.get(name)) throw appMissing(name)
      const row = name === to ? undefined : rename.get(to, name)
      if (row) return app(row)
      throw nameTaken()
    },
    retire(name) {
      if (!retire.run(name).changes) throw appMissing(name)
    },
    remove: name => void remove.run(name),
  }
}

function app({ id, name, created_at, retired }: Row): App {
  return { id, name: name as AppName, createdAt: new Date(created_at), retired: retired === 1 }
}
