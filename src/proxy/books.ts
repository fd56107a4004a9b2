import { type LogKind, logFile } from '../edge/logs.ts'
import type { Route } from '../types.ts'
import type { Journal, LogBook } from './journal.ts'
import { type Lines, openLines } from './line.ts'
import type { Site } from './site.ts'
import type { Trip } from './trip.ts'

/** What this worker sees of one app, under whatever name it has by now; or of what is no app's. */
export interface Book {
  app: string | undefined
  readonly logs: Readonly<Record<LogKind, LogBook>>
  form: NonNullable<Route['log']>
}

/** Bytes that were no request. */
export interface Noise {
  readonly client: string
  readonly status: number
  readonly why: string
}

/** What the balancer has to tell. */
export interface Counts {
  /** An upstream is asked no more for so long, unless it is the only one. */
  ejected(app: string, upstream: string, awayMs: number): void
}

/** The books of this worker: what it has to tell of each request goes through here, and nothing of it makes the request wait. */
export interface Books extends Counts {
  /** A request has found its app. */
  enter(trip: Trip, site: Site): void
  /** It is over. */
  note(trip: Trip): void
  noise(noise: Noise): void
  /** Of the routes that there are, and of no others, there are books. */
  sync(routes: readonly Route[]): void
  rename(was: string, app: string): void
  forget(app: string): void
}

export function openBooks(journal: Journal): Books {
  const lines = openLines()
  const books = new Map<string, Book>()
  const own = bookOf(undefined, journal)

  const find = (app: string): Book => {
    const known = books.get(app)
    if (known) return known
    const book = bookOf(app, journal)
    books.set(app, book)
    return book
  }
  const forget = (app: string) => {
    const book = books.get(app)
    if (!book) return
    // What is still under way for it has nowhere to be written any more.
    for (const log of Object.values(book.logs)) log.path = undefined
    books.delete(app)
  }

  return {
    enter(trip, site) {
      const book = find(site.route.app)
      book.form = site.route.log ?? 'json'
      trip.app = site.route.app
      trip.release = site.route.release
      trip.book = book
    },
    note(trip) {
      write(trip, trip.book ?? own, { journal, lines })
    },
    noise: ({ client, status, why }) => journal.put(own.logs.error, lines.other({ client, status, why })),
    ejected(app, upstream, awayMs) {
      const why = `is set aside for ${awayMs / 1000} s, it failed again and again`
      journal.put(find(app).logs.error, lines.other({ app, upstream, why }))
    },
    sync(routes) {
      const there = new Set<string>(routes.map(route => route.app))
      for (const app of books.keys()) if (!there.has(app)) forget(app)
    },
    rename(was, app) {
      const book = books.get(was)
      if (!book) return
      books.delete(was)
      books.set(app, book)
      book.app = app
      for (const kind of ['access', 'error'] as const) book.logs[kind].path = logFile(app, kind)
    },
    forget,
  }
}

function bookOf(app: string | undefined, journal: Journal): Book {
  const logs = { access: journal.open(logFile(app, 'access')), error: journal.open(logFile(app, 'error')) }
  return { app, logs, form: 'json' }
}

function write(trip: Trip, { logs, form }: Book, { journal, lines }: { journal: Journal; lines: Lines }) {
  if (form !== 'off') journal.put(logs.access, lines.access(trip, form))
  if (trip.fault !== undefined) journal.put(logs.error, lines.error(trip, trip.fault))
}
