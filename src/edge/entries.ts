/** A request as a line of an access log tells it. What is not known is left out; times are milliseconds. */
export interface AccessEntry {
  /** When the request arrived, UTC. */
  readonly time: string
  /** Its X-Request-Id. */
  readonly id: string
  readonly app?: string
  readonly release?: number
  readonly client: string
  readonly scheme: 'http' | 'https'
  readonly version: string
  readonly tls?: string
  readonly method: string
  readonly host: string
  readonly path: string
  /** 499: the client left before there was an answer. */
  readonly status: number
  /** How a call of gRPC has ended: what its app says, 0 for well. */
  readonly grpc_status?: number | string
  /** Of the bodies. */
  readonly bytes_in: number
  readonly bytes_out: number
  readonly agent?: string
  readonly referer?: string
  readonly upstream?: string
  readonly connect_ms?: number
  readonly first_byte_ms?: number
  readonly total_ms: number
  readonly retries?: number
}

/** A line of an error log: a request that came to nothing, or what befell an upstream. */
export interface ErrorEntry {
  readonly time: string
  readonly id?: string
  readonly app?: string
  readonly release?: number
  readonly client?: string
  readonly method?: string
  readonly host?: string
  readonly path?: string
  readonly status?: number
  readonly grpc_status?: number | string
  readonly upstream?: string
  readonly why?: string
  /** So many lines found no room. */
  readonly dropped?: number
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The combined form of Apache and nginx, byte for byte as nginx escapes it. */
export function combinedOf(entry: AccessEntry): string {
  const [, year, month, day, clock] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(entry.time) ?? []
  const time = `${day}/${months[Number(month) - 1]}/${year}:${clock} +0000`
  const request = `${entry.method} ${entry.path} HTTP/${entry.version}`
  const quoted = [request, entry.referer ?? '-', entry.agent ?? '-'].map(escaped)
  return `${entry.client || '-'} - - [${time}] "${quoted[0]}" ${entry.status} ${entry.bytes_out} "${quoted[1]}" "${quoted[2]}"`
}

function escaped(text: string): string {
  if (/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) return text
  const hex = (byte: number) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return [...Buffer.from(text)]
    .map(byte => {
      const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      return plain ? String.fromCharCode(byte) : hex(byte)
    })
    .join('')
}

/** A line of an access log in the form asked for, whichever form it was written in. What the other form does not hold is left out. */
export function formOf(line: string, form: 'json' | 'combined'): string {
  const entry = objectIn(line) as AccessEntry | undefined
  if (form === 'combined') return entry?.method === undefined ? line : combinedOf(entry)
  return entry === undefined ? JSON.stringify(readCombined(line)) : line
}

/** A line of an error log for a person. */
export function sentenceOf(line: string): string {
  const entry = objectIn(line) as ErrorEntry | undefined
  if (entry === undefined) return line
  const {
    time,
    id,
    client,
    method,
    host = '',
    path = '',
    status,
    grpc_status: call,
    upstream,
    dropped,
  } = entry
  const why = dropped === undefined ? entry.why : `${dropped} lines were dropped: there was no room for them`
  return [
    time,
    ...(status === undefined ? [] : [status]),
    ...(call === undefined ? [] : [`grpc-status ${call}`]),
    ...(method === undefined ? [] : [method, `${host}${path}`]),
    ...(client === undefined ? [] : [`from ${client}`]),
    ...(upstream === undefined ? [] : [upstream]),
    ...(why === undefined ? [] : [why]),
    ...(id === undefined ? [] : [`(${id})`]),
  ].join(' ')
}

function objectIn(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // It was written in another form, or its disk was full in the middle of it.
  }
}

function readCombined(line: string): object {
  const quoted = String.raw`"((?:[^"\\]|\\.)*)"`
  const form = new RegExp(
    String.raw`^(\S+) - - \[(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d) \+0000\] ${quoted} (\d{3}) (\d+) ${quoted} ${quoted}$`,
  )
  const [, client, day, month = '', year, clock, request = '', status, bytes, referer, agent] =
    form.exec(line) ?? []
  const [, method, path = '', version] = /^(\S+) (.*) HTTP\/(\S+)$/.exec(request) ?? []
  if (method === undefined) return { line }
  const said = (text = '-') => (text === '-' ? undefined : unescaped(text))
  const number = String(months.indexOf(month) + 1).padStart(2, '0')
  const time = `${year}-${number}-${day}T${clock}.000Z`
  const numbers = { status: Number(status), bytes_out: Number(bytes) }
  return {
    ...{ time, client, version, method, path: unescaped(path), ...numbers },
    ...{ agent: said(agent), referer: said(referer) },
  }
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = text.replace(/\\x([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
