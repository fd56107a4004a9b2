import type { Socket } from 'node:net'

import { BadMessage } from './field-lines.ts'
import type { Lent } from './listen.ts'
import { barePage, pages, unread } from './pages.ts'
import { begins, giveOver, preface } from './preface.ts'
import { Request, type RequestHead, type RequestListener } from './request.ts'
import type { House } from './server.ts'
import { type Peer, peerOf } from './visitor.ts'
import { Visitor1 } from './visitor1.ts'
import { Watch } from './watch.ts'
import { Wire } from './wire.ts'

/** Of requests that wait behind the one that is answered; then no more is read. */
const behindMost = 64 * 1024
/** Longer bodies have memory of their own. */
const shortBody = 32 * 1024
/** For what a client still sends when its request has been answered before its end. */
const wasteMs = 30_000
/** For what a client still sends after a connection's last answer. */
const lingerMs = 5_000

/** talk: one request after the other · join: it wants a WebSocket · linger: the last is answered · pass: bytes are another's · gone: none are taken. */
type State = 'talk' | 'join' | 'linger' | 'pass' | 'gone'

/** A client's connection in HTTP/1.x: its requests, one after the other, and their answers. */
export class Talk implements RequestListener {
  readonly socket: Socket
  readonly scheme: House['scheme']
  readonly wire: Wire
  readonly watch: Watch
  private readonly house: House
  private readonly request: Request
  private known: Peer | undefined
  private state: State = 'talk'
  private visitor: Visitor1 | undefined
  private behind: Buffer | undefined
  private served = 0
  /** Of a request's head something has come, or it is the first and has to. */
  private awaits = true
  /** The client says nothing more. */
  private ended = false
  private arrived = 0
  private lent: Lent = 'no'

  constructor(socket: Socket, house: House) {
    this.socket = socket
    this.house = house
    this.scheme = house.scheme
    this.watch = new Watch(house.now() + house.parts.limits.headMs)
    this.request = new Request(this)
    socket.on('end', this.onFin)
    socket.once('close', () => this.leave())
    this.wire = new Wire(socket, (bytes, lent) => this.hear(bytes, lent))
  }

  /** A socket that is closed knows no address any more. */
  get peer(): Peer {
    this.known ??= peerOf(this.socket)
    return this.known
  }
  get keeping(): string | undefined {
    return this.house.parts.leaving() ? undefined : this.house.keepAlive
  }

  private hear(bytes: Buffer, lent: Lent): boolean {
    switch (this.state) {
      case 'linger':
      case 'gone':
        return true
      case 'pass':
        return this.wire.pass(bytes, lent)
      case 'join':
      case 'talk':
        this.lent = lent
        if (this.served === 0 && this.house.http2 !== undefined) this.hearFirst(bytes, this.house.http2)
        else if (this.behind !== undefined || (this.visitor && this.request.done)) this.hold(bytes)
        else this.feed(bytes)
        return true
    }
  }

  /** It may be the preface of HTTP/2. */
  private hearFirst(bytes: Buffer, http2: (socket: Socket) => void) {
    const all = this.behind === undefined ? bytes : Buffer.concat([this.behind, bytes])
    this.behind = undefined
    if (!this.request.blank || !begins(all)) return this.feed(all)
    if (all.length < preface.length) this.behind = Buffer.from(all)
    else giveOver(this.letGo('pass'), Buffer.from(all), http2)
  }

  private feed(bytes: Buffer) {
    let rest: Buffer | undefined
    try {
      rest = this.request.take(bytes)
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error
      return this.misread(error)
    }
    if (rest !== undefined && this.state !== 'linger') this.hold(rest)
    if (this.visitor === undefined && !this.awaits && !this.request.blank) {
      this.awaits = true
      this.wait(this.house.parts.limits.headMs)
    }
  }

  private hold(bytes: Buffer) {
    const { behind } = this
    if (behind !== undefined) this.behind = Buffer.concat([behind, bytes])
    else this.behind = this.lent === 'no' ? bytes : Buffer.from(bytes)
    if (this.behind.length >= behindMost) this.wire.pause()
  }

  onHead(head: RequestHead) {
    const { parts, lead } = this.house
    const visitor = new Visitor1(head, this)
    this.visitor = visitor
    this.served++
    this.arrived = 0
    this.watch.begin(parts.limits.streamIdleMs)
    if (this.served >= parts.limits.requestsPerConnection || parts.leaving()) visitor.last = true
    lead(visitor, this, head)
  }

  /** The request that came last is for a WebSocket. */
  joins() {
    this.state = 'join'
  }

  onBody(chunk: Buffer, own = false) {
    const { visitor, wire } = this
    // What is left of a request that has its answer, nobody wants.
    if (visitor === undefined || visitor.closed || this.state !== 'talk') return
    this.arrived += chunk.length
    if (!wire.wide && this.request.owed + this.arrived > shortBody) wire.widen(() => visitor.lends())
    visitor.body.push(chunk, own ? 'no' : this.lent)
  }

  onEnd(trailers: readonly string[]) {
    const { visitor } = this
    this.wire.narrow()
    if (visitor === undefined) return
    if (!visitor.closed) return visitor.arrived(trailers)
    visitor.received = true
    if (this.state === 'talk') process.nextTick(() => this.next())
  }

  /** Called back when all of an answer has been sent. */
  readonly onSent = (error?: Error | null) => {
    if (!error) this.visitor?.close()
  }

  /** The answer is whole. */
  over(visitor: Visitor1) {
    if (visitor !== this.visitor || (this.state !== 'talk' && this.state !== 'join')) return
    if (visitor.last || this.ended) return this.part()
    if (this.request.done) return this.next()
    this.wait(wasteMs)
    this.wire.resume()
  }

  private next() {
    if (this.state !== 'talk') return
    this.visitor = undefined
    this.request.next()
    this.awaits = false
    this.wait(this.house.parts.limits.keepAliveMs)
    // Thousands may have come at once: each waits for its turn among all connections.
    if (this.behind === undefined) this.wire.resume()
    else setImmediate(this.goOn)
  }

  private readonly goOn = () => {
    const { behind } = this
    if (this.state !== 'talk' || behind === undefined) return
    this.behind = undefined
    this.lent = 'no'
    this.feed(behind)
    if (this.behind === undefined) this.wire.resume()
  }

  /** Closed with bytes unread it would be reset, and its last answer perhaps lost (RFC 9112 9.6): for a while they are read, and forgotten. */
  private part() {
    const { socket } = this
    this.state = 'linger'
    this.wait(lingerMs)
    if (this.ended || (this.request.done && this.behind === undefined)) return socket.destroySoon()
    socket.end()
    this.wire.resume()
  }

  /** Bytes that are no request, or a body that is none. */
  private misread({ tooLong }: BadMessage) {
    const { visitor } = this
    if (visitor === undefined) this.refuse(tooLong ? 431 : 400)
    else if (visitor.closed || visitor.said) this.part()
    else this.socket.destroy()
  }

  private refuse(status: keyof typeof unread) {
    this.socket.write(barePage(pages.refused(status, unread[status])))
    this.house.parts.noise({ client: this.peer.address, status, why: unread[status] })
    this.part()
  }

  /** Ends what has gone on for too long. */
  sweep(now: number) {
    const { visitor, socket } = this
    if (this.state === 'pass' || this.state === 'gone' || (this.state === 'join' && !visitor?.begun)) return
    if (this.state !== 'linger' && visitor !== undefined && !visitor.closed) {
      if (this.watch.isStill(socket, now)) socket.destroy()
      return
    }
    if (now < this.watch.deadline) return
    if (this.state === 'talk' && visitor === undefined && this.awaits) this.refuse(408)
    else socket.destroy()
  }

  /** The connection is another's from here on, with what came behind the request. Only its end is still heard of. */
  passOn() {
    const { behind } = this
    const socket = this.letGo('pass').pause()
    if (behind !== undefined) socket.unshift(behind)
  }

  private letGo(state: State): Socket {
    this.state = state
    this.behind = undefined
    this.wire.letGo()
    return this.socket.off('end', this.onFin)
  }

  private wait(ms: number) {
    this.watch.deadline = this.house.now() + ms
  }

  private readonly onFin = () => {
    const { visitor, socket } = this
    this.ended = true
    if (this.state === 'linger' || visitor === undefined || visitor.closed) socket.destroySoon()
    // It has gone in the middle; an answer that is whole is still sent. Who wants a WebSocket may have nothing to say.
    else if (!visitor.said && this.state !== 'join') socket.destroy()
  }

  private leave() {
    if (this.state !== 'pass') this.state = 'gone'
    this.visitor?.leave()
    this.house.gone(this)
  }
}
