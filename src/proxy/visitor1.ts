import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import { valuesOf, without } from './fields.ts'
import type { BeginOptions, Peer, Visitor } from './visitor.ts'

const announcement: ReadonlySet<string> = new Set(['trailer'])

/** A request in HTTP/1.0 or 1.1. */
export class Visitor1 implements Visitor {
  readonly scheme: 'http' | 'https'
  status = 0
  taken = 0
  bytes = 0
  private from: Peer | undefined
  private readonly req: IncomingMessage
  private readonly res: ServerResponse

  private readonly ending: ServerResponse | Socket

  /** `ending` closes when the client is gone or has its answer. `peer`: where that is known of the connection already. */
  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    scheme: 'http' | 'https',
    { ending = res, peer }: { ending?: ServerResponse | Socket; peer?: Peer } = {},
  ) {
    this.req = req
    this.res = res
    this.scheme = scheme
    this.ending = ending
    this.from = peer
  }

  get version() {
    if (this.req.httpVersionMajor !== 1) return 'unknown'
    return this.req.httpVersionMinor === 0 ? '1.0' : '1.1'
  }
  get tls() {
    return this.scheme === 'https' ? this.peer.tls : undefined
  }
  get method() {
    return this.req.method ?? ''
  }
  get target() {
    return this.req.url ?? ''
  }
  get authority() {
    return undefined
  }
  get fields() {
    return this.req.rawHeaders
  }
  get peer() {
    // A socket that is closed knows no address any more.
    this.from ??= peerOf(this.req.socket)
    return this.from
  }
  get flow() {
    return this.req.socket
  }
  get body() {
    return this.req
  }
  get received() {
    return this.req.complete
  }
  get trailers() {
    return this.req.rawTrailers
  }
  get out() {
    return this.res
  }
  get begun() {
    return this.res.headersSent
  }
  get closed() {
    return this.ending.closed || this.ending.destroyed
  }

  proceed() {
    this.res.writeContinue()
  }

  hint(links: readonly string[]) {
    // HTTP/1.0 knows no interim answers (RFC 9110 15.2).
    if (this.req.httpVersionMinor === 0 || this.res.headersSent) return
    try {
      this.res.writeEarlyHints({ link: [...links] })
    } catch {
      // Hints that Node cannot read are left out; the answer itself follows.
    }
  }

  patience(ms: number) {
    // Node gives the next request of the connection its own time again.
    this.req.socket.setTimeout(ms)
  }

  begin(status: number, reason: string, fields: readonly string[], options: BeginOptions = {}) {
    const { last, trailers, clean = false } = options
    const head = last || trailers ? undefined : plainHead(this.res, { status, reason, fields, clean })
    if (head !== undefined) {
      // What Node would make of it too, at a fifth of the cost.
      ;(this.res as unknown as { _header: string })._header = head
      this.res.statusCode = status
      this.status = status
      return
    }
    if (last && !this.req.complete) linger(this.req)
    if (last) this.res.shouldKeepAlive = false
    const said = trailers && !this.takesTrailers(status, fields) ? without(fields, announcement) : fields
    try {
      if (reason === '') this.res.writeHead(status, said as string[])
      else this.res.writeHead(status, reason, said as string[])
    } catch (error) {
      // Of a head that cannot be said Node remembers some: nothing may depend on where the next answer ends.
      this.res.shouldKeepAlive = false
      throw error
    }
    this.status = status
  }

  /** Trailers come after chunks, and nowhere else (RFC 9112 7.1.2). Node refuses an answer that announces them otherwise. */
  private takesTrailers(status: number, fields: readonly string[]): boolean {
    if (this.req.httpVersionMinor === 0 || this.method === 'HEAD' || status === 204 || status === 304)
      return false
    return valuesOf(fields, 'content-length').length === 0
  }

  flush() {
    this.res.flushHeaders()
  }

  endWhole(body: Buffer) {
    // As text it goes out with the head, in one write to the kernel.
    this.res.end(body.toString('latin1'), 'latin1')
  }

  endWith(trailers: readonly string[]) {
    if (trailers.length > 0 && this.res.chunkedEncoding) this.res.addTrailers(pairsOf(trailers))
    this.res.end()
  }

  cut() {
    // HTTP/1.0 may take a plain end for the end of the body.
    if (this.req.httpVersionMinor === 0) this.res.socket?.resetAndDestroy()
    this.res.destroy()
  }

  onClose(listener: () => void) {
    // It closes once, and `once` would cost more than the rest of this.
    this.ending.on('close', listener)
  }
}

/**
 * The head of an answer of known length on a connection that goes on, as Node's own writeHead says it; undefined: that has to see to it.
 * Nearly all answers are of this kind.
 */
function plainHead(of: ServerResponse, { status, reason, fields, clean }: Said): string | undefined {
  const res = of as ServerResponse & Last
  if (
    res.headersSent ||
    !res.shouldKeepAlive ||
    !res.useChunkedEncodingByDefault ||
    res.maxRequestsOnConnectionReached
  )
    return undefined
  if (status < 200 || status === 204 || status === 304 || reason === '' || !printable.test(reason))
    return undefined
  let counted = false
  let dated = false
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const value = fields[at + 1]!
    if (!clean && !(token.test(name) && printable.test(value))) return undefined
    if (name.length === 14 && name.toLowerCase() === 'content-length') counted = true
    else if (name.length === 4 && name.toLowerCase() === 'date') dated = true
    else if (name.length === 10 && name.toLowerCase() === 'connection') return undefined
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return undefined
    head += `${name}: ${value}\r\n`
  }
  if (!counted || !dated) return undefined
  const { _keepAliveTimeout: ms, _maxRequestsPerSocket: most } = res
  return `${head}Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(ms / 1000)}, max=${most}\r\n\r\n`
}

interface Said {
  readonly status: number
  readonly reason: string
  readonly fields: readonly string[]
  /** They need not be looked at. */
  readonly clean: boolean
}

interface Last {
  maxRequestsOnConnectionReached?: boolean
  _keepAliveTimeout: number
  _maxRequestsPerSocket: number
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const printable = /^[\t\x20-\x7e\x80-\xff]*$/

/** For what a client still sends after a connection's last answer. */
const lingerMs = 5_000

/**
 * Closing a connection with bytes unread resets it, and its last answer may be lost on the way (RFC 9112 9.6): what still comes is read for
 * a while, and forgotten.
 */
function linger(req: IncomingMessage): void {
  const { socket } = req
  socket.destroySoon = () => {
    socket.end()
    req.resume()
    const late = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => clearTimeout(late))
  }
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[at * 2]!, flat[at * 2 + 1]!])
}

export function peerOf(socket: Socket): Peer {
  return {
    address: (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''),
    port: socket.remotePort ?? 0,
    localPort: socket.localPort ?? 0,
    tls: (socket as Partial<TLSSocket>).getProtocol?.() ?? undefined,
  }
}
