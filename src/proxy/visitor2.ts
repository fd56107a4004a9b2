import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { Writable } from 'node:stream'

import { cancelled as cancelledError } from './cancelled.ts'
import type { BeginOptions, Flow, Peer, Visitor } from './visitor.ts'

/** A request in HTTP/2: one stream of a connection (RFC 9113). */
export class Visitor2 implements Visitor, Flow {
  readonly version = '2.0'
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly target: string
  readonly authority: string | undefined
  readonly fields: readonly string[]
  readonly peer: Peer
  trailers: readonly string[] = []
  status = 0
  taken = 0
  bytes = 0
  bytesRead = 0
  private readonly stream: ServerHttp2Stream
  private closing: readonly string[] = []
  private nowhere: Writable | undefined

  constructor(stream: ServerHttp2Stream, raw: readonly string[], peer: Peer, scheme: 'http' | 'https') {
    this.stream = stream
    this.scheme = scheme
    this.peer = peer
    let method = ''
    let target = ''
    let authority: string | undefined
    let at = 0
    // Pseudo-fields come first, each once: nghttp2 resets any other stream.
    for (; raw[at]?.charCodeAt(0) === 0x3a; at += 2) {
      if (raw[at] === ':method') method = raw[at + 1]!
      else if (raw[at] === ':path') target = raw[at + 1]!
      else if (raw[at] === ':authority') authority = raw[at + 1]!
    }
    this.method = method
    this.target = target
    this.authority = authority
    this.fields = withOneCookie(raw.slice(at))
    if (!stream.endAfterHeaders) this.expectBody()
  }

  private expectBody() {
    const { stream } = this
    const { push } = stream
    stream.push = (chunk: Buffer | null, encoding) => {
      this.bytesRead += chunk?.length ?? 0
      return push.call(stream, chunk, encoding)
    }
    // Node takes a stream that was reset for one that came to its end.
    stream.once('aborted', () => stream.destroy(new Error('the client has left')))
    stream.once('trailers', (_fields, _flags, said: unknown) => {
      this.trailers = said as string[]
    })
  }

  get tls() {
    return this.peer.tls
  }
  get flow() {
    return this
  }
  get bytesWritten() {
    return this.bytes
  }
  get writableLength() {
    return this.stream.bufferSize
  }
  get body() {
    return this.stream
  }
  get received() {
    return this.stream.readableEnded || this.stream.endAfterHeaders
  }
  get out(): Writable {
    return this.nowhere ?? this.stream
  }
  get begun() {
    return this.stream.headersSent
  }
  get closed() {
    return this.stream.closed || this.stream.destroyed
  }

  proceed() {
    this.inform({ ':status': 100 })
  }

  hint(links: readonly string[]) {
    this.inform({ ':status': 103, link: [...links] })
  }

  patience(ms: number) {
    this.stream.setTimeout(ms)
  }

  begin(
    status: number,
    _reason: string,
    fields: readonly string[],
    { trailers, whole: endStream = false, clean = false }: BeginOptions = {},
  ) {
    if (this.closed) return
    const waitForTrailers = trailers === true && this.method !== 'HEAD' && !bodiless.has(status)
    const head = headOf(status, fields, { clean })
    if (waitForTrailers) this.stream.once('wantTrailers', () => this.close())
    this.stream.respond(head as unknown as OutgoingHttpHeaders, { waitForTrailers, endStream })
    // Node has ended these answers by itself.
    if (endStream || bodiless.has(status))
      this.nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    this.status = status
    if (!waitForTrailers && !this.received) this.stream.once('finish', () => this.leaveRest())
  }

  flush() {
    // A head is never held back.
  }

  endWhole(body: Buffer): boolean {
    this.out.end(Buffer.from(body))
    return false
  }

  endWith(trailers: readonly string[]) {
    this.closing = trailers
    this.out.end()
  }

  cut({ cancelled } = { cancelled: false }) {
    // A close would send what looks like the proper end first.
    this.stream.destroy(cancelled ? cancelledError : new Error('cut'))
  }

  onClose(listener: () => void) {
    this.stream.on('close', listener)
  }

  private inform(head: OutgoingHttpHeaders) {
    if (this.begun || this.closed) return
    try {
      this.stream.additionalHeaders(head)
    } catch {
      // Hints that Node cannot say are left out; the answer itself follows.
    }
  }

  private close() {
    try {
      this.stream.sendTrailers(grouped(this.closing))
    } catch {
      return this.cut()
    }
    // Node sends them one turn later.
    setImmediate(() => setImmediate(() => this.leaveRest()))
  }

  /** What is left of a request that has its answer is not read (RFC 9113 8.1). */
  private leaveRest() {
    if (this.received || this.closed) return
    this.stream.close(constants.NGHTTP2_NO_ERROR)
    this.stream.resume()
  }
}

const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

/** HTTP/2 may send cookies in crumbs, which nobody else understands (RFC 9113 8.2.3). */
function withOneCookie(fields: string[]): readonly string[] {
  const first = fields.indexOf('cookie')
  if (first === -1 || fields.indexOf('cookie', first + 1) === -1) return fields
  const crumbs: string[] = []
  const whole: string[] = []
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] === 'cookie') crumbs.push(fields[at + 1]!)
    else whole.push(fields[at]!, fields[at + 1]!)
  }
  return crumbs.length > 0 ? [...whole, 'cookie', crumbs.join('; ')] : fields
}

/** Flat, as Node takes it too. Throws on what HTTP/1.1 could not say either. */
function headOf(status: number, fields: readonly string[], { clean }: { clean: boolean }): string[] {
  const head = [':status', String(status)]
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    if (!clean && !isSaid(name, fields[at + 1]!)) continue
    // The length of a body that HTTP has no room for would be a lie that clients notice (RFC 9110 8.6).
    if (name === 'content-length' && (status === 204 || status === 205)) continue
    head.push(name, fields[at + 1]!)
  }
  return head
}

/** As Node takes trailers. Throws on what HTTP/1.1 could not say either. */
export function grouped(fields: readonly string[]): OutgoingHttpHeaders {
  const tail: OutgoingHttpHeaders = Object.create(null)
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    const known = tail[name] as string[] | undefined
    if (isSaid(name, fields[at + 1]!)) tail[name] = [...(known ?? []), fields[at + 1]!]
  }
  return tail
}

/** Names are looked at by Node. */
function isSaid(name: string, value: string): boolean {
  if (unsayable.test(value)) throw new TypeError(`${name} has a value that cannot be said`)
  return !ofConnection.has(name)
}

/** RFC 9113 8.2.2. */
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
