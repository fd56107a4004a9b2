import { UserError } from '../errors.ts'

/**
 * A line as a shell would split it into words, and nothing else of a shell: single quotes, double quotes, backslash (POSIX 2.2).
 * Throws UserError `bad-line` on an unterminated quote, a trailing backslash or a NUL.
 */
export function words(line: string): string[] {
  if (line.includes('\0')) throw new UserError('bad-line', 'The command contains a NUL byte.')
  const found: string[] = []
  for (let at = skipBlanks(line, 0); at < line.length; ) {
    const { word, end } = readWord(line, at)
    found.push(word)
    at = skipBlanks(line, end)
  }
  return found
}

function readWord(line: string, start: number): { word: string; end: number } {
  let word = ''
  let at = start
  while (at < line.length && !isBlank(line[at])) {
    const part = readPart(line, at)
    word += part.text
    at = part.end
  }
  return { word, end: at }
}

function readPart(line: string, at: number): { text: string; end: number } {
  if (line[at] === "'") return singleQuoted(line, at + 1)
  if (line[at] === '"') return doubleQuoted(line, at + 1)
  if (line[at] === '\\') return escaped(line, at + 1)
  return { text: line[at]!, end: at + 1 }
}

function singleQuoted(line: string, at: number) {
  const end = line.indexOf("'", at)
  if (end < 0) throw unterminated('single quote')
  return { text: line.slice(at, end), end: end + 1 }
}

function doubleQuoted(line: string, start: number) {
  let text = ''
  for (let at = start; at < line.length; at++) {
    if (line[at] === '"') return { text, end: at + 1 }
    const next = line[at] === '\\' ? line[at + 1] : undefined
    if (next === undefined || !'$`"\\\n'.includes(next)) text += line[at]
    else {
      at++
      if (next !== '\n') text += next
    }
  }
  throw unterminated('double quote')
}

function escaped(line: string, at: number) {
  const next = line[at]
  if (next === undefined) throw unterminated('backslash')
  return { text: next === '\n' ? '' : next, end: at + 1 }
}

function skipBlanks(line: string, from: number): number {
  let at = from
  while (at < line.length && isBlank(line[at])) at++
  return at
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r'
}

function unterminated(what: string): UserError {
  return new UserError(
    'bad-line',
    `The command ends inside a ${what}.`,
    'Quote it once more for your own shell.',
  )
}
