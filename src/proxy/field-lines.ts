/** Not HTTP, or not of one meaning. */
export class BadMessage extends Error {
  /** It is its head that is too long. */
  readonly tooLong: boolean

  constructor(why: string, { tooLong }: { tooLong: boolean } = { tooLong: false }) {
    super(why)
    this.tooLong = tooLong
  }
}

/** Lines of fields from `start` on (RFC 9112 5), without folding and without control characters. */
export function fieldsOf(text: string, start: number): string[] {
  const fields: string[] = []
  // All at once, for that is cheaper than one by one.
  lines.lastIndex = start
  if (!lines.test(text)) throw new BadMessage('a field that cannot be read')
  for (let from = start; from < text.length; ) {
    // It stands at ends of lines and nowhere else, and one sign is found far sooner than two.
    const found = text.indexOf('\n', from)
    const end = found === -1 ? text.length : found - 1
    const colon = text.indexOf(':', from)
    fields.push(text.slice(from, colon), trimmed(text, colon + 1, end))
    from = end + 2
  }
  return fields
}

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

/** Names are tokens, right before their colons; values have no control characters. */
const lines = /(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*(?:\r\n|$))*$/y

/** Without spaces and tabs at both ends, and nothing else. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
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
