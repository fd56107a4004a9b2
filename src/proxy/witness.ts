import type { Crossing } from '../edge/wire.ts'
import type { Logger } from '../log.ts'
import { type Books, openBooks } from './books.ts'
import { openCrossings } from './crossing.ts'
import { openJournal } from './journal.ts'
import { openReporter, type Report } from './report.ts'

/** All that a worker tells of what it does: lines for logs, counts for the first process, and how a change of release went. */
export interface Witness extends Omit<Books, 'take' | 'inFlight'> {
  /** An app's route is about to point to another release. */
  crosses(app: string): void
  /** What became of the requests since then. */
  crossing(app: string): Promise<Crossing>
  /** Writes and tells what is left. */
  close(): Promise<void>
}

export interface WitnessOptions {
  /** Of the log files. */
  readonly folder: string
  readonly log: Logger
  readonly send: (report: Report) => Promise<void>
}

/** For what is still to be written down at the end. */
const writeMs = 1_000

export function openWitness({ folder, log, send }: WitnessOptions): Witness {
  const wrote = new Map<string, number>()
  let dropped = 0

  const take = (most: number) => {
    const files = [...wrote.entries().take(most)]
    for (const [path] of files) wrote.delete(path)
    const { more, ...told } = books.take(most)
    const report = { wrote: Object.fromEntries(files), dropped: journal.dropped() - dropped, ...told }
    dropped = journal.dropped()
    return { report, more: more || wrote.size > 0 }
  }
  const reporter = openReporter(take, send)
  const journal = openJournal({
    ...{ folder, log },
    wrote(path, bytes) {
      wrote.set(path, (wrote.get(path) ?? 0) + bytes)
      reporter.changed()
    },
  })
  const books = openBooks(journal, reporter.changed)
  const crossings = openCrossings()

  return {
    ...books,
    note(trip) {
      books.note(trip)
      crossings.note(trip)
    },
    forget(app) {
      books.forget(app)
      crossings.forget(app)
    },
    crosses: app => crossings.begin(app, books.inFlight(app)),
    crossing: app => crossings.end(app),
    async close() {
      await journal.close({ withinMs: writeMs })
      await reporter.flush()
    },
  }
}
