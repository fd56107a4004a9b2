import { type LogKind, logFile } from '../edge/logs.ts'
import type { Route } from '../types.ts'
import type { Journal, LogBook } from './journal.ts'
import { openLines } from './line.ts'
import type { BookReport } from './report.ts'
import type { Site } from './site.ts'
import { count, newSlots, packed, type Slots, slot } from './tally.ts'
import type { Trip } from './trip.ts'
import { type Flow, openTunnels, type Tunnels } from './tunnels.ts'

/** What this worker sees of one app, under whatever name it has by now; or of what reaches no app. */
export interface Book {
  app: string | undefined
  readonly logs: Readonly<Record<LogKind, LogBook>>
  form: NonNullable<Route['log']>
  inFlight: number
  webSockets: number
  readonly tunnels: Tunnels
  /** By release, since the last report. */
  readonly tallies: Map<number | undefined, Slots>
  /** There is something to report. */
  changed: boolean
  /** Its app is no more: what is still under way for it has nowhere to be written any more. */
  gone: boolean
}

/** Bytes that were no request. */
export interface Noise {
  readonly client: string
  readonly status: number
  readonly why: string
}

/** A connection to a port whose bytes are passed on, when it is over. */
export interface Carried {
  readonly port: number
  readonly client: string
  readonly upstream?: string
  readonly received: number
  readonly sent: number
  readonly ms: number
  /** Why nothing was passed on. */
  readonly why?: string
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
  /** It has become a WebSocket. */
  switched(trip: Trip): void
  /** It is over. */
  note(trip: Trip): void
  noise(noise: Noise): void
  /** A connection to an app's port has begun; what is answered hears what came of it. */
  carrying(route: Route, flow: () => Flow): (carried: Carried) => void
  rename(was: string, app: string): void
  forget(app: string): void
  /** Requests of an app that are under way. */
  inFlight(app: string): number
  /** What has been counted since the last time, of so many of the books that have changed, those that wait longest; `more`: of others there is more. */
  take(most: number): {
    readonly noise: number
    readonly books: readonly BookReport[]
    readonly more: boolean
  }
}

const sweepMs = 2_000

export function openBooks(journal: Journal, changed: () => void): Books {
  const lines = openLines()
  const books = new Map<string, Book>()
  const own = bookOf(undefined, journal)
  /** Books with connections that are open, for as long as there are some. */
  const carriers = new Set<Book>()
  let sweep: NodeJS.Timeout | undefined
  let touched: Book[] = []
  let noises = 0

  const find = (app: string): Book => {
    const known = books.get(app)
    if (known) return known
    const book = bookOf(app, journal)
    books.set(app, book)
    return book
  }
  const touch = (book: Book) => {
    if (book.changed || book.gone) return
    book.changed = true
    touched.push(book)
    changed()
  }
  const forget = (app: string) => {
    const book = books.get(app)
    if (!book) return
    book.gone = true
    for (const log of Object.values(book.logs)) log.path = undefined
    books.delete(app)
  }

  /** What long connections carry is not told at their end alone. */
  const watch = (book: Book) => {
    carriers.add(book)
    sweep ??= setInterval(() => {
      for (const each of carriers) {
        if (each.tunnels.settle()) touch(each)
        if (each.tunnels.open() === 0) carriers.delete(each)
      }
      if (carriers.size > 0) return
      clearInterval(sweep)
      sweep = undefined
    }, sweepMs).unref()
  }

  return {
    enter(trip, site) {
      if (site.book === undefined || site.book.gone) site.book = find(site.route.app)
      const { book } = site
      book.form = site.route.log ?? 'json'
      book.inFlight++
      touch(book)
      trip.app = site.route.app
      trip.release = site.route.release
      trip.book = book
    },
    switched(trip) {
      trip.webSocket = true
      if (!trip.book) return
      trip.book.inFlight--
      trip.book.webSockets++
      touch(trip.book)
    },
    note(trip) {
      const book = trip.book ?? own
      if (trip.webSocket) book.webSockets--
      else if (trip.book) book.inFlight--
      count(talliesOf(book, trip.release), trip)
      touch(book)
      if (book.form !== 'off') journal.put(book.logs.access, lines.access(trip, book.form))
      if (trip.fault !== undefined) journal.put(book.logs.error, lines.error(trip, trip.fault))
    },
    noise({ client, status, why }) {
      noises++
      changed()
      journal.put(own.logs.error, lines.other({ client, status, why }))
    },
    carrying({ app, release, log = 'json' }, flow) {
      const book = find(app)
      const over = book.tunnels.begin(flow, () => talliesOf(book, release))
      watch(book)
      touch(book)
      return ({ port, client, upstream, received, sent, ms, why }) => {
        over()
        if (why !== undefined) talliesOf(book, release)[slot.tunnelsFailed]!++
        touch(book)
        const facts = { app: book.app, release, client, scheme: 'tcp', host_port: port, upstream }
        const bytes = { bytes_in: received, bytes_out: sent, total_ms: ms }
        if (why !== undefined) journal.put(book.logs.error, lines.other({ ...facts, why }))
        // The combined form has no place for what is no request.
        else if (log === 'json') journal.put(book.logs.access, lines.other({ ...facts, ...bytes }))
      }
    },
    ejected(app, upstream, awayMs) {
      const book = find(app)
      talliesOf(book, undefined)[slot.ejections]!++
      touch(book)
      const why = `is set aside for ${awayMs / 1000} s, it failed again and again`
      journal.put(book.logs.error, lines.other({ app, upstream, why }))
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
    inFlight: app => books.get(app)?.inFlight ?? 0,
    take(most) {
      const told = touched.slice(0, most)
      const before = noises
      touched = touched.slice(most)
      noises = 0
      const books = told.filter(book => !book.gone).map(reportOf)
      return { noise: before, books, more: touched.length > 0 }
    },
  }
}

function bookOf(app: string | undefined, journal: Journal): Book {
  const logs = { access: journal.open(logFile(app, 'access')), error: journal.open(logFile(app, 'error')) }
  const counts = { inFlight: 0, webSockets: 0, tunnels: openTunnels(), tallies: new Map() }
  return { app, logs, form: 'json', ...counts, changed: false, gone: false }
}

function talliesOf({ tallies }: Book, release: number | undefined): Slots {
  const known = tallies.get(release)
  if (known) return known
  const slots = newSlots()
  tallies.set(release, slots)
  return slots
}

function reportOf(book: Book): BookReport {
  const { app = null, inFlight, webSockets, tunnels, tallies } = book
  const counts: { release: number | null; slots: number[] }[] = []
  for (const [release = null, tally] of tallies) {
    const slots = packed(tally)
    if (slots.length > 0) counts.push({ release, slots })
    tally.fill(0)
  }
  // Those of the release that answers now are used again.
  if (tallies.size > 1) tallies.clear()
  book.changed = false
  return { app, inFlight, webSockets, tunnels: tunnels.open(), counts }
}
