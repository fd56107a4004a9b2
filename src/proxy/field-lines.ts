/** Not HTTP, or not of one meaning. */
export class BadMessage extends Error {
  /** It is its head that is too long. */
  readonly tooLong: boolean

  constructor(why: string, { tooLong }: { tooLong: boolean } = { tooLong: false }) {
    super(why)
    this.tooLong = tooLong
  }
}

/**
 * Lines of fields from `start` on (RFC 9112 5), without folding and without control characters: names are tokens, right before their colons.
 * `bytes` begin with what `text` is; looking through them costs half of what it does in a string.
 */
export function fieldsOf(text: string, start: number, bytes: Uint8Array): string[] {
  const fields: string[] = []
  const end = text.length
  for (let at = start; at < end; ) {
    const from = at
    while (at < end && (kinds[bytes[at]!]! & ofName) !== 0) at++
    if (at === from || at === end || bytes[at] !== colon) throw new BadMessage('a field that cannot be read')
    const name = text.slice(from, at)
    const value = ++at
    while (at < end && kinds[bytes[at]!] !== ofNothing) at++
    fields.push(name, trimmed(text, bytes, { from: value, to: at }))
    if (at === end) break
    if (bytes[at] !== cr || at + 1 === end || bytes[at + 1] !== lf) {
      throw new BadMessage('a field that cannot be read')
    }
    at += 2
  }
  return fields
}

const [tab, lf, cr, space, colon] = [0x09, 0x0a, 0x0d, 0x20, 0x3a]
const [ofNothing, ofValue, ofName] = [0, 1, 2]

/** What a byte may be in: a value, a name and a value, or neither. */
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  const sign = String.fromCharCode(byte)
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(sign)) return ofValue | ofName
  return /[\t\x20-\x7e\x80-\xff]/.test(sign) ? ofValue : ofNothing
})

export function linesOf(fields: readonly string[]): string {
  let lines = ''
  for (let at = 0; at < fields.length; at += 2) lines += `${fields[at]}: ${fields[at + 1]}\r\n`
  return lines
}

/** Lines as `linesOf` makes them. */
export function fieldsIn(lines: string): string[] {
  return lines.split('\r\n').flatMap(line => {
    const colon = line.indexOf(':')
    return colon === -1 ? [] : [line.slice(0, colon), line.slice(colon + 2)]
  })
}

/** Without spaces and tabs at both ends, and nothing else. */
function trimmed(text: string, bytes: Uint8Array, { from, to }: { from: number; to: number }): string {
  while (from < to && isBlank(bytes[from]!)) from++
  while (to > from && isBlank(bytes[to - 1]!)) to--
  return text.slice(from, to)
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab
}

/** Whether a word is among those of Connection, lower-case. */
export function says(connection: string, word: string): boolean {
  return (
    connection.includes(word) &&
    connection
      .split(',')
      .map(each => each.trim())
      .includes(word)
  )
}
