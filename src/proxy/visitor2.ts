import type { Readable, Writable } from 'node:stream'

import { type Answering, nowhere, outOf } from './h2/bodies.ts'
import { codes } from './h2/frames.ts'
import type { Head } from './h2/head.ts'
import type { Mux, Opened } from './h2/mux.ts'
import { Upload } from './h2/upload.ts'
import type { BeginOptions, Flow, Visitor } from './visitor.ts'

/** A request in HTTP/2: one stream of a connection (RFC 9113). */
export class Visitor2 implements Visitor, Flow, Answering {
  readonly version = '2.0'
  readonly id: number
  readonly method: string
  readonly target: string
  readonly authority: string | undefined
  readonly fields: readonly string[]
  trailers: readonly string[] = []
  status = 0
  taken = 0
  bytes = 0
  /** The request is whole. */
  received: boolean
  /** The answer has been said to its end. */
  ended = false
  closed = false
  /** Bytes of the answer that the client takes. */
  window: number
  /** When something last moved, by the connection's clock, and how long nothing may. */
  active: number
  patienceMs: number
  /** Undefined where there is no body. */
  readonly upload: Upload | undefined
  private readonly mux: Mux
  private bare = false
  private outgoing: Writable | undefined
  private pending: Buffer | undefined
  private sent: (() => void) | undefined
  private closing: readonly string[] = []
  private listener: (() => void) | undefined
  private listeners: (() => void)[] | undefined

  constructor(mux: Mux, id: number, { method, path, authority, fields, length }: Head, options: Opened) {
    this.mux = mux
    this.id = id
    this.method = method
    this.target = path
    this.authority = authority
    this.fields = fields
    this.received = options.received
    this.upload = options.received ? undefined : new Upload(length, id, mux)
    this.window = options.window
    this.patienceMs = options.patienceMs
    this.active = mux.clock
  }

  get scheme() {
    return this.mux.scheme
  }
  get peer() {
    return this.mux.peer
  }
  get tls() {
    return this.mux.peer.tls
  }
  get flow() {
    return this
  }
  get bytesWritten() {
    return this.bytes
  }
  get writableLength() {
    return this.outgoing?.writableLength ?? 0
  }
  get bytesRead() {
    return this.upload?.bytes ?? 0
  }
  get body(): Readable {
    return this.upload?.body ?? this.mux.none
  }
  get out(): Writable {
    if (this.outgoing) return this.outgoing
    if (this.ended && !this.bare) return this.mux.spent
    this.outgoing = this.bare ? nowhere() : outOf(this)
    if (this.closed) this.outgoing.destroy()
    return this.outgoing
  }
  get ahead() {
    return this.mux.ahead()
  }
  get begun() {
    return this.status > 0
  }

  proceed() {
    this.inform(100, [])
  }

  hint(links: readonly string[]) {
    const fields = links.flatMap(link => ['link', link])
    this.inform(103, fields)
  }

  patience(ms: number) {
    this.patienceMs = ms
  }

  begin(
    status: number,
    _reason: string,
    fields: readonly string[],
    { whole = false, clean = false }: BeginOptions = {},
  ) {
    if (this.closed) return
    const block = this.mux.pack(status, fields, { clean })
    this.bare = whole || this.method === 'HEAD' || bodiless.has(status)
    this.status = status
    this.mux.head(this, block, { ends: this.bare })
    if (this.bare) this.over()
  }

  flush() {
    // A head is never held back.
  }

  endWhole(body: Buffer): boolean {
    if (this.closed || this.ended) return false
    // A short one does not wait for its turn.
    if (!this.outgoing && body.length <= this.mux.windows.room(this)) {
      this.mux.data(this, body, { ends: true })
      this.over()
      return false
    }
    this.out.end(body)
    return this.writableLength > 0
  }

  endWith(trailers: readonly string[]) {
    this.closing = trailers
    if (this.outgoing) this.outgoing.end()
    else this.finish()
  }

  cut({ cancelled } = { cancelled: false }) {
    if (this.closed || this.ended) return
    this.mux.reset(this, cancelled ? codes.cancel : codes.internal)
    this.leave()
  }

  onClose(listener: () => void) {
    if (!this.listener) this.listener = listener
    else if (this.listeners) this.listeners.push(listener)
    else this.listeners = [listener]
  }

  /** The request is whole. False: its body is shorter than was said. */
  heardAll(trailers: readonly string[] = []): boolean {
    // Whoever hears of the body's end may ask for them at once.
    this.trailers = trailers
    this.received = this.upload!.heardAll()
    return this.received
  }

  /** The client has left it, or its connection is no more. */
  leave() {
    if (this.closed) return
    this.close(new Error('the client has left'))
    // Whoever has just broken it off goes on first.
    process.nextTick(() => this.tellClose())
  }

  /** Its answer has been written. */
  depart() {
    if (this.closed) return
    this.close(undefined)
    this.tellClose()
  }

  /** Sends what may go, in so many frames. True: nothing waits any more. */
  move(frames: number): boolean {
    for (let count = 0; this.pending !== undefined && count < frames; count++) {
      const { pending } = this
      const size = Math.min(pending.length, this.mux.windows.room(this))
      if (size <= 0) return false
      this.mux.data(this, pending.subarray(0, size), { ends: false })
      this.pending = size === pending.length ? undefined : pending.subarray(size)
    }
    if (this.pending !== undefined) return false
    const { sent } = this
    this.sent = undefined
    sent?.()
    return true
  }

  send(bytes: Buffer, done: () => void) {
    if (this.closed || bytes.length === 0) return done()
    this.pending = bytes
    this.sent = done
    if (this.mux.windows.waits || !this.move(Number.POSITIVE_INFINITY)) this.mux.windows.wait(this)
  }

  finish() {
    if (this.closed || this.ended) return
    try {
      if (this.closing.length > 0) this.mux.head(this, this.mux.packTrailers(this.closing), { ends: true })
      else this.mux.data(this, nothing, { ends: true })
    } catch {
      return this.cut()
    }
    this.over()
  }

  private inform(status: number, fields: readonly string[]) {
    if (this.begun || this.closed) return
    try {
      this.mux.head(this, this.mux.pack(status, fields), { ends: false })
    } catch {
      // Hints that cannot be said are left out; the answer itself follows.
    }
  }

  private over() {
    this.ended = true
    // What is left of a request that has its answer is not read (RFC 9113 8.1).
    if (!this.received) this.mux.reset(this, codes.none)
    this.mux.done(this)
  }

  private close(error: Error | undefined) {
    this.closed = true
    this.pending = undefined
    this.sent = undefined
    this.upload?.close(error)
    if (!this.ended) this.outgoing?.destroy()
  }

  private tellClose() {
    const { listener, listeners } = this
    this.listener = undefined
    this.listeners = undefined
    listener?.()
    for (const each of listeners ?? []) each()
  }
}

const nothing = Buffer.alloc(0)

const bodiless: ReadonlySet<number> = new Set([204, 205, 304])
