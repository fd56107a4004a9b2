import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'

import type { Upstream } from '../types.ts'
import { dial } from './dial.ts'

const options: http2.ClientSessionOptions & { readonly strictSingleValueFields: false } = {
  settings: { enablePush: false, maxHeaderListSize: 32 * 1024 },
  maxHeaderListPairs: 256,
  // What a client says twice is passed on twice.
  strictSingleValueFields: false,
  // All streams of a connection together; each has a window of 64 KB, which Node keeps while nobody reads it.
  maxSessionMemory: 64,
}

/** Of a connection: its streams together are sent so much ahead. */
const connectionWindow = 1024 * 1024

/** A connection that nobody uses is closed after this long. Its other end says so before it closes it, so it may be kept. */
const keptMs = 30_000

/** A connection to an upstream in HTTP/2 without TLS (RFC 9113 3.3): many requests at a time. */
export class Line {
  readonly session: ClientHttp2Session
  /** Requests over it so far. */
  served = 0
  /** It is gone, rather than closed from one side in order. */
  lost = false
  private streams = 0
  /** The last stream that the upstream has taken up, once it says that it goes. */
  private last = Number.POSITIVE_INFINITY
  private ending = false

  constructor(session: ClientHttp2Session) {
    this.session = session
    session.on('goaway', (code, last) => {
      this.last = last
      // Node ends it with this.
      if (code !== constants.NGHTTP2_NO_ERROR) this.lost = true
    })
    session.setTimeout(keptMs, () => {
      if (this.streams === 0) session.close()
    })
  }

  /** Another request may go over it. */
  get free(): boolean {
    const { session } = this
    if (this.ending || session.closed || session.destroyed) return false
    return this.streams < Math.max(1, session.remoteSettings.maxConcurrentStreams ?? most)
  }

  open(head: OutgoingHttpHeaders, options: ClientSessionRequestOptions): ClientHttp2Stream {
    this.streams++
    return this.session.request(head, options)
  }

  over() {
    this.streams--
    this.served++
    if (this.ending && this.streams === 0) this.session.close()
  }

  /** The upstream has done nothing with it, and says so (RFC 9113 6.8, 8.7). */
  refuses({ rstCode, id = 0 }: ClientHttp2Stream): boolean {
    return rstCode === constants.NGHTTP2_REFUSED_STREAM || id > this.last
  }

  /** Takes no more requests, and closes after the last there is. */
  end() {
    this.ending = true
    if (this.streams === 0) this.session.close()
  }
}

/** Where the other side sets no limit. */
const most = 1_000

/** A connection whose other end has said that it speaks HTTP/2; else in words, why there is none. */
export async function openLine(upstream: Upstream, timeoutMs: number): Promise<Line | string> {
  let why = 'took no connection'
  const socket = await dial(upstream, timeoutMs, said => {
    why = said
  })
  if (!socket) return why
  return new Promise(resolve => {
    let line: Line | undefined
    socket.once('close', () => {
      if (line) line.lost = true
    })
    const session = http2.connect('http://upstream', { ...options, createConnection: () => socket })
    session.on('error', () => undefined)
    const late = setTimeout(() => session.destroy(), timeoutMs)
    session.once('remoteSettings', () => {
      clearTimeout(late)
      session.setLocalWindowSize(connectionWindow)
      line = new Line(session)
      resolve(line)
    })
    session.once('close', () => {
      clearTimeout(late)
      resolve('does not speak HTTP/2')
    })
  })
}
