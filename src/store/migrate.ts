import { UserError } from '../errors.ts'
import { migrations } from './migrations.ts'

interface Migrating {
  exec(sql: string): unknown
  pragma(source: string, options?: { simple: boolean }): unknown
  transaction(work: () => void): { immediate(): void }
}

/** All or nothing. UserError `store-newer` when a later Davit wrote the store. */
export function migrate(db: Migrating, file: string, steps: readonly string[] = migrations): void {
  const upgrade = db.transaction(() => {
    const version = Number(db.pragma('user_version', { simple: true }))
    if (version > steps.length) throw newer(file, { version, known: steps.length })
    if (version === steps.length) return
    for (const step of steps.slice(version)) db.exec(step)
    if ((db.pragma('foreign_key_check') as unknown[]).length)
      throw new Error('A migration left loose references')
    db.pragma(`user_version = ${steps.length}`)
  })
  upgrade.immediate()
}

function newer(file: string, { version, known }: { version: number; known: number }): UserError {
  return new UserError(
    'store-newer',
    `The store ${file} was written by a newer Davit: format ${version}, this one knows ${known}.`,
    'Start that newer version again, or restore a backup from before the upgrade.',
  )
}
