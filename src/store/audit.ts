import { createHash } from 'node:crypto'

import { UserError } from '../errors.ts'
import type { AuditEntry } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Audit } from './store.ts'

interface Row {
  id: number
  at: number
  person: string
  key: string
  line: string
  /** Null where a command begins, or was cut off. */
  exit: number | null
  /** Id of the row where the command began, in the one where it ended. */
  of: number | null
  hash: string
}

const place = ['audit_head']

/**
 * Every row's hash follows from the one before. The newest is kept once more, sealed: so the end cannot be
 * cut off, nor the chain be written anew, by someone who has the store but not its key.
 */
export function openAudit({ prepare, transaction, seal }: Ground): Audit {
  const newest = prepare<[], { id: number | null }>('SELECT max(id) AS id FROM audit')
  const oldest = prepare<[], Row>('SELECT * FROM audit ORDER BY id')
  const find = prepare<[number], Row>('SELECT * FROM audit WHERE id = ? AND "of" IS NULL')
  const insert = prepare<[Row]>(
    `INSERT INTO audit (id, at, person, key, line, exit, "of", hash)
     VALUES (@id, @at, @person, @key, @line, @exit, @of, @hash)`,
  )
  const commands = prepare<[number], Row & { ended: number | null }>(
    `SELECT begun.*, coalesce(over.exit, begun.exit) AS exit, over.at AS ended
     FROM audit AS begun LEFT JOIN audit AS over ON over."of" = begun.id
     WHERE begun."of" IS NULL ORDER BY begun.id DESC LIMIT ?`,
  )
  const open = prepare<[], Row>(
    `SELECT * FROM audit AS begun WHERE "of" IS NULL AND exit IS NULL
     AND NOT EXISTS (SELECT 1 FROM audit AS over WHERE over."of" = begun.id) ORDER BY id`,
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

  /** Within a transaction. */
  const append = (fields: Omit<Row, 'id' | 'hash'>): number => {
    const before = head()
    const id = Math.max(before?.id ?? 0, newest.get()?.id ?? 0) + 1
    const row = { ...fields, id, hash: hash(before?.hash, { ...fields, id }) }
    insert.run(row)
    writeHead.run(seal.seal(JSON.stringify(row), place))
    return id
  }

  const close = ({ id, person, key, line }: Row, exit: number | null, at: Date) =>
    append({ at: at.getTime(), person, key, line, exit, of: id })

  return {
    begin: ({ by, line, at }) =>
      transaction(() =>
        append({
          at: at.getTime(),
          // SQLite keeps UTF-8, which has no half surrogates: what is hashed must be what is read back.
          person: by.person.toWellFormed(),
          key: by.key.toWellFormed(),
          line: line.toWellFormed(),
          exit: null,
          of: null,
        }),
      ),
    end: (id, { exit, at }) =>
      transaction(() => {
        const begun = find.get(id)
        if (!begun) throw new Error(`The audit has no command ${id}.`)
        close(begun, exit, at)
      }),
    cutOff: ({ at }) =>
      transaction(() => {
        for (const begun of open.all()) close(begun, null, at)
      }),
    list: ({ limit }) => commands.all(limit).map(row => entry(row, row.ended)),
    broken: () =>
      transaction(() => {
        let before: Row | undefined
        for (const row of oldest.iterate()) {
          if (row.hash !== hash(before?.hash, row)) return entry(row, null)
          before = row
        }
        const end = head()
        return end?.hash === before?.hash ? undefined : entry((end ?? before)!, null)
      }),
  }
}

/** Rows from before commands had a row for their end are hashed as they were then. */
function hash(before: string | undefined, row: Omit<Row, 'hash'>): string {
  const { id, at, person, key, line, exit, of } = row
  const fields = [before ?? '', id, at, person, key, line, exit]
  return createHash('sha256')
    .update(JSON.stringify(of === null ? fields : [...fields, of]))
    .digest('hex')
}

function entry({ id, at, person, key, line, exit, hash }: Row, ended: number | null): AuditEntry {
  return {
    ...{ id, person, key, line, hash },
    at: new Date(at),
    exit: exit ?? undefined,
    endedAt: ended === null ? undefined : new Date(ended),
  }
}
