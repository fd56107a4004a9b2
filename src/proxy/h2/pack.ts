import { lowerToken } from './field.ts'
import { known, overhead, tableMost } from './static.ts'

/** Makes blocks of fields (RFC 7541), as text whose characters are bytes. */
export interface Packer {
  /** Of an answer. Throws what cannot be said, with nothing remembered of it. `clean`: there is nothing to find. */
  head(status: number, fields: readonly string[], options?: { clean?: boolean }): string
  trailers(fields: readonly string[]): string
  /** The other side keeps a table of so many bytes. */
  limit(size: number): void
}

/** What is known of a field's name. */
interface Name {
  readonly lower: string
  /** In the table that both sides know; 0: it is not there. */
  readonly index: number
  /** Its values are hardly ever said twice, or are nobody else's business (RFC 7541 7.1.3). */
  readonly passing: boolean
  last: string | undefined
  values: Map<string, number> | undefined
}

interface Entry {
  readonly name: Name
  readonly value: string
  readonly size: number
}

/** Names beyond so many are said in full. */
const namesMost = 128

/** `date`: for answers that say none (RFC 9110 6.6.1). */
export function openPacker(date: () => string): Packer {
  const names = new Map<string, Name>()
  /** The oldest first. */
  let table: Entry[] = []
  let gone = 0
  /** All that ever came in; an entry's number is how many did before it. */
  let count = 0
  let size = 0
  let most = tableMost
  /** The least that it was limited to since the last block; there it has to be told. */
  let told: number | undefined

  const nameOf = (said: string): Name => {
    const found = names.get(said)
    if (found) return found
    const lower = said.toLowerCase()
    // One name in two spellings is one.
    const name = (lower === said ? undefined : names.get(lower)) ?? newName(lower)
    if (names.size < namesMost) names.set(said, name).set(lower, name)
    return name
  }
  const shrink = (to: number) => {
    while (size > to) {
      const { name, value, size: own } = table[gone]!
      const number = count - table.length + gone
      if (name.values!.get(value) === number) name.values!.delete(value)
      size -= own
      gone++
    }
    if (gone > 128) {
      table = table.slice(gone)
      gone = 0
    }
  }
  const field = (said: string, value: string): string => {
    const name = nameOf(said)
    const number = name.values?.get(value)
    if (number !== undefined) return integer(0x80, 7, known.length + count - number)
    const repeated = name.last === value
    name.last = value
    const own = name.lower.length + value.length + overhead
    // Only what was said before is worth a place.
    if (!repeated || name.passing || own > most >> 1)
      return `${integer(0, 4, name.index)}${name.index === 0 ? text(name.lower) : ''}${text(value)}`
    const block = `${integer(0x40, 6, name.index)}${name.index === 0 ? text(name.lower) : ''}${text(value)}`
    shrink(most - own)
    table.push({ name, value, size: own })
    name.values ??= new Map()
    name.values.set(value, count++)
    size += own
    return block
  }
  const resized = (): string => {
    if (told === undefined) return ''
    const block = (told < most ? integer(0x20, 5, told) : '') + integer(0x20, 5, most)
    told = undefined
    return block
  }

  return {
    head(status, fields, { clean = false } = {}) {
      if (!clean) check(fields)
      let block = resized() + (statuses.get(status) ?? `\x08\x03${status}`)
      let dated = status < 200
      for (let at = 0; at < fields.length; at += 2) {
        const name = fields[at]!
        if (!clean && ofConnection.has(name.toLowerCase())) continue
        // The length of a body that HTTP has no room for would be a lie that clients notice (RFC 9110 8.6).
        if ((status === 204 || status === 205) && name.toLowerCase() === 'content-length') continue
        if (name.length === 4 && name.toLowerCase() === 'date') dated = true
        block += field(name, fields[at + 1]!)
      }
      return dated ? block : block + field('date', date())
    },
    trailers(fields) {
      check(fields)
      let block = resized()
      for (let at = 0; at < fields.length; at += 2)
        if (!ofConnection.has(fields[at]!.toLowerCase())) block += field(fields[at]!, fields[at + 1]!)
      return block
    },
    limit(to) {
      const next = Math.min(to, tableMost)
      if (next === most) return
      told = Math.min(told ?? next, next)
      most = next
      shrink(most)
    },
  }
}

function newName(lower: string): Name {
  const index = indexes.get(lower) ?? 0
  return { lower, index, passing: passing.has(lower), last: undefined, values: undefined }
}

const indexes: ReadonlyMap<string, number> = new Map(
  known.map(([name], at) => [name, at + 1] as const).reverse(),
)

const passing: ReadonlySet<string> = new Set([
  ...['age', 'content-range', 'etag', 'location', 'set-cookie', 'x-request-id'],
  ...['authorization', 'proxy-authorization'],
])

const statuses: ReadonlyMap<number, string> = new Map(
  known.flatMap(([name, value], at) =>
    name === ':status' ? [[Number(value), String.fromCharCode(0x80 | (at + 1))] as const] : [],
  ),
)

/** RFC 7541 5.1. `first`: what its first byte says besides. */
function integer(first: number, bits: number, value: number): string {
  const full = (1 << bits) - 1
  if (value < full) return String.fromCharCode(first | value)
  let said = String.fromCharCode(first | full)
  let rest = value - full
  for (; rest >= 0x80; rest >>>= 7) said += String.fromCharCode((rest & 0x7f) | 0x80)
  return said + String.fromCharCode(rest)
}

/** As it is: what Huffman's code would save is less than it costs here. */
function text(value: string): string {
  return value.length < 0x7f ? String.fromCharCode(value.length) + value : integer(0, 7, value.length) + value
}

/** Throws on what HTTP/1.1 could not say either. */
function check(fields: readonly string[]): void {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    if (!lowerToken.test(name)) throw new TypeError(`${name} is no name of a field`)
    isSaid(name, fields[at + 1]!)
  }
}

/** False for what is of one connection of HTTP/1.1 (RFC 9113 8.2.2). `name` is lower-case. Throws when the value cannot be said. */
export function isSaid(name: string, value: string): boolean {
  if (unsayable.test(value)) throw new TypeError(`${name} has a value that cannot be said`)
  return !ofConnection.has(name)
}

const ofConnection: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

const unsayable = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/
