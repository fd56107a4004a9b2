/** Header fields as they cross the proxy, as flat lists [name, value, name, value…] in the order and spelling they came in. */

/** How many times a field occurs, and its values. `name` is lower-case. */
export function valuesOf(raw: readonly string[], name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]!.length === name.length && raw[at]!.toLowerCase() === name) values.push(raw[at + 1]!)
  }
  return values
}

/** A client's fields without those that are for this connection only (RFC 9110 7.6.1) or that the proxy alone may say. */
export function clientFields(raw: readonly string[]): string[] {
  const named = namedInConnection(raw)
  return kept(raw, name => {
    // Backends that make variables of fields read X_Forwarded_For, and some X.Forwarded.For, as X-Forwarded-For.
    const folded = name.replace(/[_.]/g, '-')
    return !(
      hopByHop.has(folded) ||
      ours.has(folded) ||
      folded.startsWith('x-forwarded') ||
      folded.startsWith('proxy-') ||
      named.has(name)
    )
  })
}

/** An upstream's fields without those for its connection only. Its length stays: the body passes as it is. */
export function upstreamFields(raw: readonly string[]): string[] {
  const named = namedInConnection(raw)
  return kept(raw, name => !(hopByHop.has(name) || name === 'x-request-id' || named.has(name)))
}

/** Trailers that say nothing about framing, routing or trust (RFC 9110 6.5.1). */
export function trailerFields(raw: readonly string[]): [string, string][] {
  const safe = clientFields(raw)
  const pairs: [string, string][] = []
  for (let at = 0; at < safe.length; at += 2) {
    if (!notInTrailers.has(safe[at]!.toLowerCase())) pairs.push([safe[at]!, safe[at + 1]!])
  }
  return pairs
}

function kept(raw: readonly string[], wanted: (name: string) => boolean): string[] {
  const fields: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    if (wanted(raw[at]!.toLowerCase())) fields.push(raw[at]!, raw[at + 1]!)
  }
  return fields
}

function namedInConnection(raw: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const value of valuesOf(raw, 'connection')) {
    for (const name of value.split(',')) names.add(name.trim().toLowerCase())
  }
  // These belong to the message itself; naming them here must not take them from it.
  for (const name of ['content-length', 'content-type', 'set-cookie', 'date']) names.delete(name)
  return names
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
