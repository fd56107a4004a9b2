/**
 * A reader of HTTP/1.1 of its own, as strict as RFC 9112 allows: it takes nothing that a second reader could take for
 * something else. What it reads from a client's bytes is all that a proxy may forward of them.
 */
export interface Read {
  readonly method: string
  /** As it stands in the request line. */
  readonly target: string
  readonly version: '1.0' | '1.1'
  /** Flat list of names and values. */
  readonly fields: readonly string[]
  /** Without chunks, as far as it came. */
  readonly body: string
  readonly whole: boolean
}

/** more: the last request is not whole yet · over: it was the connection's last · doubtful: nobody ought to go on reading here. */
export type End =
  | { readonly kind: 'more' | 'over' }
  | { readonly kind: 'doubtful'; readonly why: string; readonly at: number }

export interface Heard {
  readonly requests: readonly Read[]
  readonly end: End
}

class Doubt extends Error {}
class Unfinished extends Error {}

/** `bytes` one character each. */
export function readRequests(bytes: string): Heard {
  const requests: Read[] = []
  let at = 0
  for (;;) {
    // Empty lines come from old clients (RFC 9112 2.2).
    while (bytes[at] === '\r' || bytes[at] === '\n') at++
    if (at === bytes.length) return { requests, end: { kind: 'more' } }
    try {
      at = readOne(bytes, at, begun => requests.push(begun))
      if (isLast(requests.at(-1)!)) return { requests, end: { kind: 'over' } }
    } catch (error) {
      if (error instanceof Unfinished) return { requests, end: { kind: 'more' } }
      if (error instanceof Doubt) return { requests, end: { kind: 'doubtful', why: error.message, at } }
      throw error
    }
  }
}

/** `begin` is told of a request as soon as its head is whole: its body may never be. Returns where the next begins. */
function readOne(bytes: string, from: number, begin: (request: Read) => void): number {
  const { first, fields, next } = readHead(bytes, from)
  // Several spaces are allowed (RFC 9112 3), for nobody can understand them in another way. Node's parser takes RTSP's name for HTTP's,
  // and does not tell: what is passed on says HTTP.
  const line = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e\x80-\xff]+) +(?:HTTP|RTSP)\/(1\.[01])$/.exec(
    first,
  )
  if (!line) throw new Doubt('the request line')
  const [, method, target, version] = line as unknown as [string, string, string, '1.0' | '1.1']
  const framing = framingOf({ fields, version })
  const request = { method, target, version, fields, body: '', whole: false }
  begin(request)
  const add = (part: string) => {
    request.body += part
  }
  const end = framing === 'chunked' ? readChunks(bytes, next, add) : readCounted(bytes, next, framing, add)
  request.whole = true
  return end
}

/** The first line and the fields, up to and with the empty line. */
export function readHead(bytes: string, from: number) {
  const first = readLine(bytes, from)
  const fields: string[] = []
  let at = first.next
  for (;;) {
    const { text, next } = readLine(bytes, at)
    at = next
    if (text === '') return { first: first.text, fields, next: at }
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*$/.exec(text)
    if (!field) throw new Doubt('a field line')
    fields.push(field[1]!, field[2]!)
  }
}

function readLine(bytes: string, from: number) {
  const end = bytes.indexOf('\n', from)
  const text = bytes.slice(from, end === -1 ? undefined : end)
  if (/[\0\x0b\x0c]|\r(?!$)/.test(text)) throw new Doubt('a byte that no line has')
  if (end === -1) throw new Unfinished()
  if (!text.endsWith('\r')) throw new Doubt('a bare line feed')
  return { text: text.slice(0, -1), next: end + 1 }
}

export function valuesOf(fields: readonly string[], name: string): readonly string[] {
  return fields.filter((_, at) => at % 2 === 1 && fields[at - 1]!.toLowerCase() === name)
}

/** Of a request (RFC 9112 6.3): the length of its body, or chunks. */
function framingOf({ fields, version }: Pick<Read, 'fields' | 'version'>): number | 'chunked' {
  const hosts = valuesOf(fields, 'host')
  if (hosts.length > 1 || (hosts.length === 0 && version === '1.1')) throw new Doubt('the host')
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]!.toLowerCase() !== 'chunked') throw new Doubt('the coding')
    if (lengths.length > 0) throw new Doubt('a coding and a length')
    if (version === '1.0') throw new Doubt('a coding in HTTP/1.0')
    return 'chunked'
  }
  if (lengths.length > 1 || (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!))) {
    throw new Doubt('the length')
  }
  return Number(lengths[0] ?? 0)
}

type Take = (part: string) => void

function readCounted(bytes: string, from: number, length: number, take: Take): number {
  take(bytes.slice(from, from + length))
  if (bytes.length < from + length) throw new Unfinished()
  return from + length
}

/** RFC 9112 7.1. Extensions and trailers are read over, and have to be well made. */
function readChunks(bytes: string, from: number, take: Take): number {
  let at = from
  for (;;) {
    const line = readLine(bytes, at)
    const chunk = /^0*([0-9a-fA-F]{1,16})[ \t]*(;[\x20-\x7e\x80-\xff\t]*)?$/.exec(line.text)
    if (!chunk) throw new Doubt('the size of a chunk')
    const size = Number.parseInt(chunk[1]!, 16)
    if (size === 0) return readTrailers(bytes, line.next)
    take(bytes.slice(line.next, line.next + size))
    at = line.next + size
    if (bytes.length < at + 2) {
      if (!'\r\n'.startsWith(bytes.slice(at))) throw new Doubt('the end of a chunk')
      throw new Unfinished()
    }
    if (!bytes.startsWith('\r\n', at)) throw new Doubt('the end of a chunk')
    at += 2
  }
}

/** A head without its first line. */
function readTrailers(bytes: string, from: number): number {
  let at = from
  for (;;) {
    const { text, next } = readLine(bytes, at)
    at = next
    if (text === '') return at
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\x20-\x7e\x80-\xff\t]*$/.test(text)) throw new Doubt('a trailer')
  }
}

/** RFC 9112 9.3. */
function isLast({ fields, version }: Read): boolean {
  const options = valuesOf(fields, 'connection').flatMap(value =>
    value.split(',').map(word => word.trim().toLowerCase()),
  )
  return options.includes('close') || (version === '1.0' && !options.includes('keep-alive'))
}

// Answers ------------------------------------------------------------------------------------------------

export interface Answer {
  readonly status: number
  readonly fields: readonly string[]
  readonly body: string
  readonly whole: boolean
}

/** The final answers to requests with these methods, in order. `closed`: nothing more will come. */
export function readAnswers(
  bytes: string,
  methods: readonly string[],
  { closed }: { closed: boolean },
): { answers: readonly Answer[]; doubt?: string } {
  const answers: Answer[] = []
  let at = 0
  while (at < bytes.length) {
    try {
      const { first, fields, next } = readHead(bytes, at)
      const [, minor, code] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/.exec(first) ?? []
      if (!code) throw new Doubt('the status line')
      const status = Number(code)
      at = next
      if (status < 200 && status !== 101) continue
      const method = methods[answers.length]
      // A refusal of bytes that are no request cannot know what was asked, and is the last.
      if (method === 'HEAD' && refusals.has(status) && valuesOf(fields, 'connection')[0] === 'close') {
        return { answers: [...answers, { status, fields, body: bytes.slice(at), whole: true }] }
      }
      const framing = answerFraming(fields, minor!)
      const answer = { status, fields, body: '', whole: false }
      answers.push(answer)
      const add = (part: string) => {
        answer.body += part
      }
      const none = method === 'HEAD' || status === 204 || status === 304 || status === 101
      if (!none) at = readAnswerBody(bytes, at, { framing, closed, take: add })
      answer.whole = true
    } catch (error) {
      if (error instanceof Unfinished) return { answers }
      if (error instanceof Doubt) return { answers, doubt: error.message }
      throw error
    }
  }
  return { answers }
}

/** Of what could not be read as a request. */
const refusals: ReadonlySet<number> = new Set([400, 408, 431])

function readAnswerBody(
  bytes: string,
  from: number,
  { framing, closed, take }: { framing: number | 'chunked' | 'open'; closed: boolean; take: Take },
): number {
  if (framing === 'chunked') return readChunks(bytes, from, take)
  if (framing !== 'open') return readCounted(bytes, from, framing, take)
  take(bytes.slice(from))
  if (!closed) throw new Unfinished()
  return bytes.length
}

/** RFC 9112 6.3. `open`: until the connection ends. */
function answerFraming(fields: readonly string[], minor: string): number | 'chunked' | 'open' {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length > 0) {
    if (codings.join().toLowerCase() !== 'chunked' || lengths.length > 0 || minor === '0') {
      throw new Doubt('the coding')
    }
    return 'chunked'
  }
  if (lengths.length > 1 || (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!))) {
    throw new Doubt('the length')
  }
  return lengths.length === 1 ? Number(lengths[0]) : 'open'
}
