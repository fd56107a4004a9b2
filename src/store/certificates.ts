import type { Ground } from './ground.ts'
import type { AppCertificates } from './store.ts'

/** The key is sealed; the chain is shown to everybody who connects. */
export function openCertificates({ prepare, findApp, getApp, seal, now }: Ground): AppCertificates {
  const find = prepare<[number | null], { chain: string; key: Buffer; added_at: number }>(
    'SELECT chain, key, added_at FROM certificates WHERE app = ?',
  )
  const put = prepare<[number, string, Buffer, number]>(
    `INSERT INTO certificates (app, chain, key, added_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (app) DO UPDATE SET chain = excluded.chain, key = excluded.key, added_at = excluded.added_at`,
  )
  const remove = prepare<[number | null]>('DELETE FROM certificates WHERE app = ?')
  const place = (id: number) => ['certificates', id]

  return {
    of(app) {
      const id = findApp(app)
      const row = find.get(id)
      if (!row || id === null) return undefined
      return { chain: row.chain, key: seal.open(row.key, place(id)), addedAt: new Date(row.added_at) }
    },
    put(app, { chain, key }) {
      const id = getApp(app)
      put.run(id, chain, seal.seal(key, place(id)), now().getTime())
    },
    remove: app => remove.run(findApp(app)).changes > 0,
  }
}
