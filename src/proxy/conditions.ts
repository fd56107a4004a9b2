import type { IncomingHttpHeaders } from 'node:http'

/** What a client knows a file by. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string
  /** Whole seconds, as HTTP dates are. */
  readonly modified: Date
}

/** 304 and 412 where the client's conditions say so, in the order of RFC 9110 13.2.2. */
export function conditional(headers: IncomingHttpHeaders, known: Validators): 200 | 304 | 412 {
  const match = headers['if-match']
  if (match !== undefined) {
    if (!lists(match, known.etag)) return 412
  } else if (dateOf(headers['if-unmodified-since'], at => known.modified > at)) return 412
  const none = headers['if-none-match']
  if (none !== undefined) return lists(none.replaceAll('W/', ''), known.etag) ? 304 : 200
  return dateOf(headers['if-modified-since'], at => known.modified <= at) ? 304 : 200
}

function lists(field: string, etag: string): boolean {
  return field.trim() === '*' || field.split(',').some(each => each.trim() === etag)
}

function dateOf(field: string | undefined, holds: (at: Date) => boolean): boolean {
  const at = new Date(field ?? Number.NaN)
  return !Number.isNaN(at.getTime()) && holds(at)
}

/** From `start` up to and with `end`. */
export interface Part {
  readonly start: number
  readonly end: number
}

/** The part that is asked for (RFC 9110 14.2). Undefined: all of it, as for several parts and for what cannot be read. */
export function partOf(
  headers: IncomingHttpHeaders,
  { size, ...known }: Validators & { size: number },
): Part | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(headers.range ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
  if (!stillHolds(headers['if-range'], known)) return undefined
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  const start = from === '' ? Math.max(size - Number(to), 0) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start > end || start >= size ? 'unsatisfiable' : { start, end }
}

/** If-Range: the part is of use only when the client's own is of the same file. */
function stillHolds(field: string | string[] | undefined, { etag, modified }: Validators): boolean {
  if (field === undefined) return true
  return field === etag || dateOf(String(field), at => at.getTime() === modified.getTime())
}
