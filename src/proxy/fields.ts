import { isLike, likesOf, lowered } from './likes.ts'
import type { Hops } from './trust.ts'

/** Header fields as they cross the proxy, as flat lists [name, value, name, value…] in the order and spelling they came in. */

/** What the proxy itself has to know of a client's fields, read in one pass. */
export interface Listed {
  readonly lengths: readonly string[]
  readonly codings: readonly string[]
  readonly expected: readonly string[]
  readonly hosts: readonly string[]
  readonly requestIds: readonly string[]
  /** Names in Connection, lower-case, where there is anything but the usual words. */
  readonly named: Named
  readonly hops: Hops | undefined
}

type Named = ReadonlySet<string> | undefined

const none: readonly string[] = []

export function listed(raw: readonly string[]): Listed {
  let lengths = none
  let codings = none
  let expected = none
  let hosts = none
  let requestIds = none
  let connection = none
  let hops: { for: string[]; proto: string[]; host: string[] } | undefined
  for (let at = 0; at < raw.length; at += 2) {
    if (!isLike(heeded, raw[at]!)) continue
    const value = raw[at + 1]!
    switch (lowered(raw[at]!)) {
      case 'host':
        hosts = and(hosts, value)
        break
      case 'connection':
        connection = and(connection, value)
        break
      case 'content-length':
        lengths = and(lengths, value)
        break
      case 'transfer-encoding':
        codings = and(codings, value)
        break
      case 'expect':
        expected = and(expected, value)
        break
      case 'x-request-id':
        requestIds = and(requestIds, value)
        break
      case 'x-forwarded-for':
        hops ??= { for: [], proto: [], host: [] }
        hops.for.push(value)
        break
      case 'x-forwarded-proto':
        hops ??= { for: [], proto: [], host: [] }
        hops.proto.push(value)
        break
      case 'x-forwarded-host':
        hops ??= { for: [], proto: [], host: [] }
        hops.host.push(value)
        break
    }
  }
  return {
    lengths,
    codings,
    expected,
    hosts,
    requestIds,
    named: namedIn(connection),
    hops,
  }
}

/** Mostly there is one. */
function and(values: readonly string[], value: string): readonly string[] {
  return values === none ? [value] : [...values, value]
}

/** A client's fields as lines, without those that are for this connection only (RFC 9110 7.6.1) or that the proxy alone may say. */
export function clientLines(raw: readonly string[], named: Named): string {
  let lines = ''
  for (let at = 0; at < raw.length; at += 2) {
    if (passes(raw[at]!, named)) lines += `${raw[at]!}: ${raw[at + 1]!}\r\n`
  }
  return lines
}

/** Backends that make variables of fields read X_Forwarded_For, and some X.Forwarded.For, as X-Forwarded-For. */
function passes(said: string, named: Named): boolean {
  if (named === undefined && !isLike(withheld, said)) return true
  const name = lowered(said)
  // Everybody says these.
  if (name === 'host' || name === 'connection') return false
  const folded = name.includes('_') || name.includes('.') ? name.replace(/[_.]/g, '-') : name
  if (hopByHop.has(folded) || ours.has(folded)) return false
  return !(folded.startsWith('x-forwarded') || folded.startsWith('proxy-') || named?.has(name))
}

/** An upstream's fields without those for its connection only. Its length stays: the body passes as it is. */
export function upstreamFields(raw: readonly string[]): string[] {
  return answerFields(raw).fields
}

export interface AnswerFields {
  readonly fields: string[]
  /** Of the body, where it is said. */
  readonly length: number | undefined
}

export function answerFields(raw: readonly string[]): AnswerFields {
  let connection = none
  let length: number | undefined
  const fields: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    const said = raw[at]!
    if (isLike(regarded, said)) {
      const name = lowered(said)
      if (name === 'content-length') length = Number(raw[at + 1])
      else if (name === 'connection') {
        connection = and(connection, raw[at + 1]!)
        continue
      } else if (hopByHop.has(name) || name === 'x-request-id') continue
    }
    fields.push(said, raw[at + 1]!)
  }
  const named = namedIn(connection)
  return { fields: named === undefined ? fields : without(fields, named), length }
}

export function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  const rest: string[] = []
  for (let at = 0; at < fields.length; at += 2) {
    if (!names.has(fields[at]!.toLowerCase())) rest.push(fields[at]!, fields[at + 1]!)
  }
  return rest
}

/** Trailers that say nothing about framing, routing or trust (RFC 9110 6.5.1), flat. */
export function trailerFields(raw: readonly string[]): string[] {
  const fields: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    if (passes(raw[at]!, notInTrailers)) fields.push(raw[at]!, raw[at + 1]!)
  }
  return fields
}

/** What comes after an answer is welcome (RFC 9110 10.1.4): the one thing that a client says of its connection and means for all of them. */
export function takesTrailers(raw: readonly string[]): boolean {
  return valuesOf(raw, 'te').some(value => /(^|,)\s*trailers\s*(,|$)/i.test(value))
}

/** Undefined for the words that everybody says. */
function namedIn(connection: readonly string[]): Named {
  if (connection.length === 0 || (connection.length === 1 && isUsual(connection[0]!))) return undefined
  const names = new Set<string>()
  for (const value of connection) {
    for (const name of value.split(',')) names.add(name.trim().toLowerCase())
  }
  // These belong to the message itself; naming them here must not take them from it.
  for (const name of ['content-length', 'content-type', 'set-cookie', 'date']) names.delete(name)
  return names
}

function isUsual(words: string): boolean {
  switch (words) {
    case 'keep-alive':
    case 'Keep-Alive':
    case 'close':
    case 'Close':
    case 'upgrade':
    case 'Upgrade':
    case 'keep-alive, Upgrade':
      return true
  }
  return false
}

/** How many times a field occurs, and its values. `name` is lower-case. */
export function valuesOf(raw: readonly string[], name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]!.length === name.length && raw[at]!.toLowerCase() === name) values.push(raw[at + 1]!)
  }
  return values
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Set by the proxy, or by the framing it chose, and by nobody else. `proxy` becomes HTTP_PROXY in CGI. */
const ours: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'forwarded',
  'proxy',
  'x-real-ip',
  'x-request-id',
])

const withheld = likesOf([...hopByHop, ...ours], ['x-forwarded', 'proxy-'])
/** Of a request's, besides. */
const heeded = likesOf([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'x-request-id'],
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'],
])
/** Of an answer's. */
const regarded = likesOf([...hopByHop, 'x-request-id', 'content-length'])

const notInTrailers: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'set-cookie',
  'trailer',
])

/** Flat fields by name, in the spelling that came first. */
export function grouped(fields: readonly string[]): [string, string | string[]][] {
  const byName = new Map<string, { name: string; values: string[] }>()
  for (let at = 0; at < fields.length; at += 2) {
    const key = fields[at]!.toLowerCase()
    const known = byName.get(key)
    if (known) known.values.push(fields[at + 1]!)
    else byName.set(key, { name: fields[at]!, values: [fields[at + 1]!] })
  }
  return [...byName.values()].map(({ name, values }) => [name, values.length === 1 ? values[0]! : values])
}
