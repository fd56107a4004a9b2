import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Route } from '../types.ts'
import type { Snapshot } from './snapshot.ts'
import type { TableChange } from './tablefile.ts'

export type Part = 'routes' | 'certificates' | 'options'

/** What was told, on the disk as far as the disk takes it: what it does not take now is written as soon as it does. */
export interface Kept {
  /** Settles when these have been tried, taken or not. */
  keep(parts: readonly (Part | TableChange)[]): Promise<void>
  /** Puts all that there is into one file, for a program that knows of no other. */
  gather(): Promise<void>
  /** Something of it is not on the disk. */
  owes(): boolean
  /** Tries once more what is still owed. */
  close(): Promise<void>
}

const againMs = 2_000
/** Bytes of changes, after which the table is written as a whole. */
const mostAdded = 4 * 1024 * 1024

export function keepOnDisk(
  now: () => {
    readonly routes: readonly Route[]
    readonly certificates: Parameters<Snapshot['saveCertificates']>[0]
    readonly options: Parameters<Snapshot['saveOptions']>[0]
  },
  snapshot: Snapshot,
  log: Logger,
): Kept {
  const save = {
    routes: () => snapshot.table.save(now().routes),
    certificates: () => snapshot.saveCertificates(now().certificates),
    options: () => snapshot.saveOptions(now().options),
  }
  const owed = new Set<Part>()
  let late = false
  let again: NodeJS.Timeout | undefined
  let last = Promise.resolve()

  const missed = (part: Part) => (error: unknown) => {
    owed.add(part)
    again ??= setTimeout(() => void payAll(), againMs).unref()
    // Traffic already goes the new way; only a proxy that starts alone would go the old one.
    if (!late) log.error(`what was told is not on the disk, and is tried again: ${messageOf(error)}`)
    late = true
  }
  const pay = async () => {
    clearTimeout(again)
    again = undefined
    for (const part of [...owed]) {
      owed.delete(part)
      await save[part]().catch(missed(part))
    }
    if (owed.size > 0 || !late) return
    late = false
    log.info('what was told is on the disk again')
  }
  const payAll = () => {
    last = last.then(pay)
    return last
  }
  const add = async (change: TableChange) => {
    const missing = missed('routes')
    await snapshot.table.add(change).then(({ onDisk }) => void onDisk.catch(missing), missing)
    if (snapshot.table.added() < mostAdded || owed.has('routes')) return
    owed.add('routes')
    void payAll()
  }
  const gather = () => {
    if (snapshot.table.added() > 0) owed.add('routes')
    return payAll()
  }
  return {
    async keep(parts) {
      const changes = parts.filter(each => typeof each === 'object')
      const whole = parts.filter(each => typeof each === 'string')
      for (const part of whole) owed.add(part)
      await Promise.all([...changes.map(add), ...(whole.length > 0 ? [payAll()] : [])])
    },
    gather,
    owes: () => owed.size > 0,
    async close() {
      await gather()
      clearTimeout(again)
    },
  }
}
