import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'

import { Body } from './body1.ts'
import { linesOf } from './field-lines.ts'
import { answerHead, type Framing, interimHead } from './head1.ts'
import { type Done, openOut } from './out1.ts'
import type { RequestHead } from './request.ts'
import type { Talk } from './talk.ts'
import type { BeginOptions, Visitor } from './visitor.ts'

const none: readonly string[] = []

/** Bodies up to this size are cheaper copied. */
const smallMost = 16 * 1024

/** A request in HTTP/1.0 or 1.1, and the way to answer it. */
export class Visitor1 implements Visitor {
  readonly ahead = 256 * 1024
  readonly version: Visitor['version']
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly authority = undefined
  status = 0
  taken = 0
  bytes = 0
  received = false
  trailers: readonly string[] = none
  begun = false
  closed = false
  fault: string | undefined
  /** All of the answer has been said, though not all of it may have been sent. */
  said = false
  /** The kernel has all of it, and nobody else will say so. */
  private sent = false
  /** The connection ends with this answer. */
  last: boolean
  private readonly talk: Talk
  private readonly socket: Socket
  private incoming: Body | undefined
  private outgoing: Writable | undefined
  /** Of an answer, while it waits for the first of its body. */
  private head = ''
  private framing: Framing = 'none'
  /** Of a counted body. */
  private left = 0
  private closing: readonly string[] = none
  private readonly listeners: (() => void)[] = []

  constructor({ method, target, version, fields, keeps }: RequestHead, talk: Talk) {
    this.method = method
    this.target = target
    this.version = version
    this.fields = fields
    this.last = !keeps
    this.talk = talk
    this.socket = talk.socket
  }

  get scheme() {
    return this.talk.scheme
  }
  get tls() {
    return this.peer.tls
  }
  get peer() {
    return this.talk.peer
  }
  get flow() {
    return this.talk.wire
  }
  get body(): Body {
    if (this.incoming === undefined) {
      this.incoming = new Body(this.talk.wire)
      if (this.received) this.incoming.end()
    }
    return this.incoming
  }
  get out(): Writable {
    this.outgoing ??= openOut(this)
    return this.outgoing
  }

  proceed() {
    this.inform(interimHead(100))
  }

  hint(links: readonly string[]) {
    const fields = links.flatMap(link => ['Link', link])
    this.inform(interimHead(103, fields))
  }

  /** Hints that cannot be said are left out; the answer itself follows. HTTP/1.0 knows no interim answers (RFC 9110 15.2). */
  private inform(text: string | undefined) {
    if (text === undefined || this.version !== '1.1' || this.begun || this.closed) return
    this.socket.write(text, 'latin1')
  }

  patience(ms: number) {
    this.talk.watch.patience = ms
  }

  begin(status: number, reason: string, fields: readonly string[], options: BeginOptions = {}) {
    if (this.begun) throw new Error('it has been answered')
    const { method, version } = this
    const keeps = this.last || options.last ? undefined : this.talk.keeping
    const head = answerHead({ status, reason, fields, clean: options.clean === true, method, version, keeps })
    this.begun = true
    this.status = status
    this.last = !head.keeps
    this.head = head.text
    this.framing = head.framing
    this.left = head.length
  }

  flush() {
    if (this.head === '' || this.closed) return
    this.socket.write(this.head, 'latin1')
    this.head = ''
  }

  endWhole(body: Buffer): boolean {
    const { head, talk } = this
    if (this.closed) return false
    if (this.framing !== 'counted' || this.outgoing !== undefined || body.length !== this.left) {
      this.out.end(Buffer.from(body))
      return false
    }
    this.said = true
    this.head = ''
    if (body.length <= smallMost) {
      // As text it goes out with the head, in one write to the kernel.
      this.sent = talk.wire.write(head + body.toString('latin1'), talk.onSent)
      return false
    }
    this.sent = talk.wire.write(head, talk.onSent, body)
    return !this.sent && talk.wire.writableLength > 0
  }

  settle() {
    if (this.sent) this.close()
  }

  endWith(trailers: readonly string[]) {
    this.closing = trailers
    this.out.end()
  }

  cut() {
    if (this.closed) return
    // The end of the connection may be taken for the end of the body.
    if (this.framing === 'close' || this.version === '1.0') this.talk.wire.reset()
    else this.socket.destroy()
  }

  onClose(listener: () => void) {
    this.listeners.push(listener)
  }

  /** Of a body whose framing is the connection's affair (`Sink`). */
  send(pieces: readonly Buffer[], done: Done) {
    const { socket, framing } = this
    let length = 0
    for (const piece of pieces) length += piece.length
    if (this.closed) return done(new Error('nobody is there any more'))
    if (framing === 'none' || length === 0) return done()
    if (framing === 'counted') {
      this.left -= length
      // More than was said would be taken for the next answer.
      if (this.left < 0) return this.breakOff(done)
    }
    const before = framing === 'chunked' ? `${this.head}${length.toString(16)}\r\n` : this.head
    this.head = ''
    let told = false
    const taken = (error?: Error | null) => {
      if (!told) done(error)
      told = true
    }
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    const last = framing === 'chunked' ? undefined : pieces.at(-1)
    for (const piece of pieces) if (piece !== last) socket.write(piece)
    if (last === undefined) socket.write('\r\n', 'latin1', taken)
    else socket.write(last, taken)
    socket.uncork()
    // The kernel has it, and the callback would come a turn later.
    if (socket.writableLength === 0) taken()
  }

  /** There is no more of the answer's body (`Sink`). */
  finish(done: Done) {
    const { framing, closing, head } = this
    if (this.closed || this.said) return done()
    if (framing === 'counted' && this.left > 0) return this.breakOff(done)
    this.said = true
    this.head = ''
    const text = framing === 'chunked' ? `${head}0\r\n${linesOf(closing)}\r\n` : head
    if (text === '') this.close()
    else this.socket.write(text, 'latin1', this.talk.onSent)
    done()
  }

  /** The answer is of another length than it said. */
  private breakOff(done: Done) {
    this.cut()
    done(new Error('it is of another length than it said'))
  }

  /** Whether memory of what arrived last is still needed. */
  lends(): boolean {
    return this.incoming?.lends() ?? false
  }

  /** The request is whole. */
  arrived(trailers: readonly string[]) {
    this.received = true
    this.trailers = trailers
    this.incoming?.end()
  }

  /** The client is gone. */
  leave() {
    if (this.closed) return
    this.closed = true
    if (!this.received) this.incoming?.fail()
    this.outgoing?.destroy()
    for (const listener of this.listeners) listener()
  }

  /** Its body is none: the client is answered past this. */
  spoil(fault: string) {
    this.status = 400
    this.fault = fault
    this.leave()
  }

  /** The client has its answer. */
  close() {
    if (this.closed) return
    this.closed = true
    for (const listener of this.listeners) listener()
    this.talk.over(this)
  }
}
