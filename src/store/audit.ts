import { createHash } from 'node:crypto'

import { UserError } from '../errors.ts'
import type { AuditEntry } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Audit } from './store.ts'

interface Row extends Omit<AuditEntry, 'at'> {
  at: number
}

const place = ['audit_head']

/**
 * Every entry's hash follows from the one before. The newest is kept once more, sealed: so the end cannot be
 * cut off, nor the chain be written anew, by someone who has the store but not its key.
 */
export function openAudit({ prepare, transaction, seal }: Ground): Audit {
  const newest = prepare<[number], Row>('SELECT * FROM audit ORDER BY id DESC LIMIT ?')
  const oldest = prepare<[], Row>('SELECT * FROM audit ORDER BY id')
  const insert = prepare<[Row]>(
    `INSERT INTO audit (id, at, person, key, line, exit, hash)
     VALUES (@id, @at, @person, @key, @line, @exit, @hash)`,
  )
  const readHead = prepare<[], { entry: Buffer }>('SELECT entry FROM audit_head')
  const writeHead = prepare<[Buffer]>(
    'INSERT INTO audit_head (id, entry) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET entry = excluded.entry',
  )

  /** Undefined also when it was tampered with: what people do must still be written down, and `broken` tells. */
  const head = (): Row | undefined => {
    const row = readHead.get()
    try {
      return row && (JSON.parse(seal.open(row.entry, place)) as Row)
    } catch (error) {
      if (error instanceof UserError) return undefined
      throw error
    }
  }

  return {
    add: ({ by, line, exit, at }) =>
      transaction(() => {
        const before = head()
        const last = newest.get(1)?.id ?? 0
        const fields = {
          id: Math.max(before?.id ?? 0, last) + 1,
          at: at.getTime(),
          // SQLite keeps UTF-8, which has no half surrogates: what is hashed must be what is read back.
          person: by.person.toWellFormed(),
          key: by.key.toWellFormed(),
          line: line.toWellFormed(),
          exit,
        }
        const row = { ...fields, hash: hash(before?.hash, fields) }
        insert.run(row)
        writeHead.run(seal.seal(JSON.stringify(row), place))
      }),
    list: ({ limit }) => newest.all(limit).map(entry),
    broken: () =>
      transaction(() => {
        let before: Row | undefined
        for (const row of oldest.iterate()) {
          if (row.hash !== hash(before?.hash, row)) return entry(row)
          before = row
        }
        const end = head()
        return end?.hash === before?.hash ? undefined : entry((end ?? before)!)
      }),
  }
}

function hash(before: string | undefined, { id, at, person, key, line, exit }: Omit<Row, 'hash'>): string {
  return createHash('sha256')
    .update(JSON.stringify([before ?? '', id, at, person, key, line, exit]))
    .digest('hex')
}

function entry(row: Row): AuditEntry {
  return { ...row, at: new Date(row.at) }
}
