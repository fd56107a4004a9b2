import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import type { Logger } from '../log.ts'
import { append } from './append.ts'

/** Lines on their way to one file. */
export interface LogBook {
  /** Below the folder of logs; undefined: what comes is thrown away. */
  path: string | undefined
  /** Lines that found no room, or no disk, and that the file does not tell of yet. */
  dropped: number
}

/**
 * Takes lines at once and writes them later: those of each file in one piece, that no other process comes between. Nobody waits for the
 * disk. Lines that do not fit into memory meanwhile are dropped, and the file says how many.
 */
export interface Journal {
  open(path: string): LogBook
  /** One line of ASCII with its end, at most 32 KB. */
  put(book: LogBook, line: string): void
  /** Lines dropped so far, of all files. */
  readonly dropped: () => number
  /** Writes what is left, but not for longer than this. */
  close(options: { withinMs: number }): Promise<void>
}

export interface JournalOptions {
  readonly folder: string
  readonly log: Logger
  /** Told how many bytes have gone into which file. */
  readonly wrote: (path: string, bytes: number) => void
  /** Most lines in memory, in pages of 64 KB; more where they are for very many files. */
  readonly pages?: number
}

const everyMs = 200
/** Lines of more files than so many gather for longer: for each file it is the opening that costs, not the line. */
const manyFiles = 256
const gatherMs = 5_000
const pageBytes = 64 * 1024
const usualPages = 128
/** For each file that waits for the disk. */
const fileBytes = 4 * 1024
const mostPages = 512
/** Kept for the next lines. */
const sparePages = 8

interface Page {
  readonly bytes: Buffer
  used: number
}

interface Slice {
  readonly page: Page
  readonly from: number
  to: number
}

interface OpenBook extends LogBook {
  slices: Slice[]
  lines: number
  /** It is among those that have lines to be written. */
  due: boolean
  /** The file may end in the middle of a line. */
  torn: boolean
}

export function openJournal({ folder, log, wrote, pages = usualPages }: JournalOptions): Journal {
  const spare: Page[] = []
  let due: OpenBook[] = []
  let full: Page[] = []
  let current: Page | undefined
  let made = 0
  let dropped = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined
  /** Files that are being written. */
  let underway = 0
  let failing = false

  const drop = (book: OpenBook, lines: number) => {
    book.dropped += lines
    dropped += lines
  }

  /** Pages that there may be. */
  const room = () => Math.max(pages, Math.min(mostPages, ((due.length + underway) * fileBytes) / pageBytes))

  const turn = (): Page | undefined => {
    const next = spare.pop()
    if (next === undefined && made >= room()) return undefined
    if (current) full.push(current)
    if (next) next.used = 0
    else made++
    current = next ?? { bytes: Buffer.allocUnsafeSlow(pageBytes), used: 0 }
    return current
  }

  const arm = () => {
    if (writing === undefined) timer ??= setTimeout(elapse, everyMs)
  }

  function elapse() {
    if (due.length > manyFiles) timer = setTimeout(write, gatherMs - everyMs)
    else write()
  }

  function write() {
    clearTimeout(timer)
    timer = undefined
    writing = writeAll().then(() => {
      writing = undefined
      if (due.length > 0) arm()
    })
  }

  async function writeAll() {
    const batch = due.map(book => ({ book, slices: book.slices, lines: book.lines }))
    const used = current ? [...full, current] : full
    due = []
    full = []
    current = undefined
    underway = batch.length
    for (const { book } of batch) {
      book.slices = []
      book.lines = 0
      book.due = false
    }
    // One after another: a disk that is slow holds up one thread of the pool, not all.
    for (const { book, slices, lines } of batch) await writeOne(book, slices, lines)
    const kept = used.slice(0, Math.max(0, Math.min(sparePages, pages) - spare.length))
    spare.push(...kept)
    made -= used.length - kept.length
    underway = 0
  }

  async function writeOne(book: OpenBook, slices: readonly Slice[], lines: number) {
    const { path, dropped: told } = book
    if (path === undefined) return
    const start = book.torn ? [Buffer.from('\n')] : []
    const body = slices.map(({ page, from, to }) => page.bytes.subarray(from, to))
    const end = told > 0 ? [noteOf(told)] : []
    const { written, failure } = await append(() => placeOf(book), [...start, ...body, ...end])
    if (written > 0) wrote(path, written)
    if (failure === undefined) {
      book.dropped -= told
      book.torn = false
      if (failing) log.info('log files are written again')
      failing = false
      return
    }
    if (written > 0) book.torn = true
    drop(book, written <= start.length ? lines : linesAfter(body, written - start.length))
    if (!failing) log.error(`${path} is not written, lines are dropped: ${failure}`)
    failing = true
  }

  const placeOf = ({ path }: LogBook) => (path === undefined ? undefined : join(folder, path))

  return {
    open: path => {
      const book: OpenBook = { path, dropped: 0, slices: [], lines: 0, due: false, torn: false }
      return book
    },
    put(to, line) {
      const book = to as OpenBook
      if (!book.due) due.push(book)
      book.due = true
      arm()
      let page = current
      const turned = page === undefined || page.used + line.length > pageBytes
      if (turned) page = turn()
      if (page === undefined) return drop(book, 1)
      const from = page.used
      page.used += page.bytes.write(line, from, 'latin1')
      book.lines++
      const last = book.slices.at(-1)
      if (last !== undefined && last.page === page && last.to === from) last.to = page.used
      else book.slices.push({ page, from, to: page.used })
      // With half of the room used, nothing gathers for longer.
      if (turned && writing === undefined && full.length > room() / 2) write()
    },
    dropped: () => dropped,
    async close({ withinMs }) {
      const end = Date.now() + withinMs
      while ((due.length > 0 || writing) && Date.now() < end) {
        if (writing === undefined) write()
        await Promise.race([writing, pause(Math.max(1, end - Date.now()), undefined, { ref: false })])
      }
    },
  }
}

function noteOf(dropped: number): Buffer {
  return Buffer.from(`{"time":"${new Date().toISOString()}","dropped":${dropped}}\n`)
}

/** How many lines end after that many bytes. */
function linesAfter(parts: readonly Buffer[], bytes: number): number {
  const rest = Buffer.concat(parts).subarray(bytes)
  let lines = 0
  for (let at = rest.indexOf(10); at !== -1; at = rest.indexOf(10, at + 1)) lines++
  return lines
}
