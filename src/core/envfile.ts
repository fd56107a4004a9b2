import { messageOf, UserError } from '../errors.ts'
import { readConfigKey } from '../plugin/names.ts'
import type { Env } from '../types.ts'

/**
 * `KEY=VALUE` lines: `export` before, comments and blank lines between them. A value that begins with a quote is read as a shell would,
 * over several lines if need be, but nothing in it is replaced; any other one goes to the end of its line or to ` #`. The last of a key
 * counts. UserError `bad-envfile` names the line.
 */
export function readEnvfile(text: string): Env {
  const found = new Map<string, string>()
  const rest = { text: text.replace(/^\ufeff/, ''), at: 0 }
  while (skipBlank(rest)) {
    const line = lineOf(rest)
    const [whole, key = ''] = match(rest, /(?:export[ \t]+)?([^\s=#]+)[ \t]*=[ \t]*/y) ?? []
    if (whole === undefined) throw bad(line, 'is not KEY=VALUE')
    found.set(keyIn(key, line), valueIn(rest, line))
  }
  return Object.fromEntries(found)
}

/** In double quotes, one line each: a reader of such files gets the same back. */
export function writeEnvfile(env: readonly (readonly [string, string])[]): string {
  const escaped = (value: string) =>
    value
      .replace(/["\\$`]/g, '\\$&')
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r')
  return env.map(([key, value]) => `${key}="${escaped(value)}"`).join('\n')
}

/** An object of names to values, or a list of `{"name", "value"}`, as `config:export` writes them. UserError `bad-json`. */
export function readJsonEnv(text: string): Env {
  const given = parsed(text)
  const pairs = Array.isArray(given)
    ? given.map(each => [Object(each).name, Object(each).value] as const)
    : Object.entries(Object(given))
  if (typeof given !== 'object' || given === null || pairs.some(([key]) => typeof key !== 'string'))
    throw badJson('It is neither an object nor a list of {"name", "value"}.')
  return Object.fromEntries(pairs.map(([key, value]) => [readConfigKey(key), textOf(key, value)]))
}

// Reading -------------------------------------------------------------------------------------------------

interface Rest {
  readonly text: string
  at: number
}

/** Past blank lines and comments; false at the end. */
function skipBlank(rest: Rest): boolean {
  match(rest, /(?:\s+|#[^\n]*)*/y)
  return rest.at < rest.text.length
}

function match(rest: Rest, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = rest.at
  const found = pattern.exec(rest.text)
  if (found) rest.at = pattern.lastIndex
  return found ?? undefined
}

function valueIn(rest: Rest, line: number): string {
  if (!/['"]/.test(rest.text[rest.at] ?? '')) {
    const [raw = ''] = match(rest, /[^\n]*/y) ?? []
    return raw.replace(/(?:^|[ \t])#.*$/, '').trim()
  }
  let value = ''
  for (;;) {
    const part = match(rest, /'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\(.)|([^\s'"\\]+)/y)
    if (!part) break
    const [, single, double, escaped, plain] = part
    value += single ?? (double === undefined ? (escaped ?? plain) : unescaped(double))
  }
  if (match(rest, /[ \t\r]*(?:(?<=\s)#[^\n]*)?(?=\n|$)/y)) return value
  throw bad(line, 'has no end to its quotes, or something after them')
}

function unescaped(text: string): string {
  const meant: Readonly<Record<string, string>> = { n: '\n', r: '\r', '\n': '' }
  return text.replace(/\\([nr"\\$`\n])/g, (_, char: string) => meant[char] ?? char)
}

function keyIn(key: string, line: number): string {
  try {
    return readConfigKey(key)
  } catch (error) {
    throw bad(line, `does not begin with a key: ${messageOf(error)}`)
  }
}

function lineOf({ text, at }: Rest): number {
  return text.slice(0, at).split('\n').length
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What the parser says shows a piece of the text, which may be a secret.
    throw badJson('It is no JSON.')
  }
}

function textOf(key: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw badJson(`The value of ${key} is no text.`)
}

function bad(line: number, what: string): UserError {
  return new UserError(
    'bad-envfile',
    `Line ${line} ${what}; nothing was changed.`,
    `A line is KEY=VALUE, with quotes around a value of several lines. For JSON: --format json`,
  )
}

function badJson(what: string): UserError {
  return new UserError('bad-json', `${what} Nothing was changed.`, 'For example: {"GREETING": "hello"}')
}
