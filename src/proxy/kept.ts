import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Snapshot } from './snapshot.ts'

export type Part = 'routes' | 'certificates' | 'options'

/** What was told, on the disk as far as the disk takes it: what it does not take now is written as soon as it does. */
export interface Kept {
  /** Settles when these have been tried, taken or not. */
  keep(parts: readonly Part[]): Promise<void>
  /** Something of it is not on the disk. */
  owes(): boolean
  /** Tries once more what is still owed. */
  close(): Promise<void>
}

const againMs = 2_000

export function keepOnDisk(
  now: () => {
    readonly routes: Parameters<Snapshot['saveRoutes']>[0]
    readonly certificates: Parameters<Snapshot['saveCertificates']>[0]
    readonly options: Parameters<Snapshot['saveOptions']>[0]
  },
  snapshot: Snapshot,
  log: Logger,
): Kept {
  const save = {
    routes: () => snapshot.saveRoutes(now().routes),
    certificates: () => snapshot.saveCertificates(now().certificates),
    options: () => snapshot.saveOptions(now().options),
  }
  const owed = new Set<Part>()
  let late = false
  let again: NodeJS.Timeout | undefined
  let last = Promise.resolve()

  const pay = async () => {
    clearTimeout(again)
    for (const part of [...owed]) {
      owed.delete(part)
      await save[part]().catch((error: unknown) => {
        owed.add(part)
        // Traffic already goes the new way; only a proxy that starts alone would go the old one.
        if (!late) log.error(`what was told is not on the disk, and is tried again: ${messageOf(error)}`)
        late = true
      })
    }
    if (owed.size > 0) again = setTimeout(() => void keep([]), againMs)
    else if (late) {
      late = false
      log.info('what was told is on the disk again')
    }
  }
  const keep = (parts: readonly Part[]) => {
    for (const part of parts) owed.add(part)
    last = last.then(pay)
    return last
  }
  return {
    keep,
    owes: () => owed.size > 0,
    async close() {
      if (owed.size > 0) await keep([])
      clearTimeout(again)
    },
  }
}
