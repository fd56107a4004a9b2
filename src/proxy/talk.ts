import type { Socket } from 'node:net'

import { BadMessage } from './field-lines.ts'
import type { Lent } from './listen.ts'
import { barePage, pages, unread } from './pages.ts'
import { begins, giveOver, preface } from './preface.ts'
import { Request, type RequestHead, type RequestListener } from './request.ts'
import type { House } from './server.ts'
import type { Peer } from './visitor.ts'
import { Visitor1 } from './visitor1.ts'
import { lingerMs, Watch, wasteMs } from './watch.ts'
import { Wire } from './wire.ts'

/** Longer bodies have memory of their own. */
const shortBody = 32 * 1024

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
  private state: State = 'talk'
  private visitor: Visitor1 | undefined
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

  get peer(): Peer {
    return this.wire.peer
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
        else if (this.wire.holds || (this.visitor && this.request.done)) this.wire.hold(bytes, lent)
        else this.feed(bytes)
        return true
    }
  }

  /** It may be the preface of HTTP/2. */
  private hearFirst(bytes: Buffer, http2: (socket: Socket) => void) {
    const before = this.wire.release()
    const all = before === undefined ? bytes : Buffer.concat([before, bytes])
    if (!this.request.blank || !begins(all)) return this.feed(all)
    if (all.length < preface.length) this.wire.hold(all, this.lent)
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
    if (rest !== undefined && this.state !== 'linger') this.wire.hold(rest, this.lent)
    if (this.visitor === undefined && !this.awaits && !this.request.blank) {
      this.awaits = true
      this.wait(this.house.parts.limits.headMs)
    }
  }

  onHead(head: RequestHead) {
    const { parts, lead } = this.house
    const visitor = new Visitor1(head, this)
    this.visitor = visitor
    if (this.served++ === 0) parts.guard.asks(this.socket)
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
    // Of a body that its client has ended in the middle nothing more comes.
    if (visitor.last || (this.ended && !this.request.done)) return this.part()
    if (this.request.done) return this.next()
    this.wait(wasteMs)
    this.wire.resume()
  }

  private next() {
    if (this.state !== 'talk') return
    if (this.ended && !this.wire.holds) return this.part()
    this.visitor = undefined
    this.request.next()
    this.awaits = false
    this.wait(this.house.parts.limits.keepAliveMs)
    // Thousands may have come at once: each waits for its turn among all connections.
    if (!this.wire.holds) this.wire.resume()
    else setImmediate(this.goOn)
  }

  private readonly goOn = () => {
    if (this.state !== 'talk' || !this.wire.holds) return
    this.lent = 'no'
    this.feed(this.wire.release()!)
    if (this.ended) this.onFin()
    else if (!this.wire.holds) this.wire.resume()
  }

  /** Closed with bytes unread it would be reset, and its last answer perhaps lost (RFC 9112 9.6): for a while they are read, and forgotten. */
  private part() {
    const { socket } = this
    this.state = 'linger'
    this.wait(lingerMs)
    if (this.ended || (this.request.done && !this.wire.holds)) return socket.destroySoon()
    socket.end()
    this.wire.resume()
  }

  /** Bytes that are no request, or a body that is none. */
  private misread({ tooLong }: BadMessage) {
    const { visitor } = this
    if (visitor === undefined) return this.refuse(tooLong ? 431 : 400)
    if (visitor.closed || visitor.said) return this.part()
    if (visitor.begun) return this.socket.destroy()
    this.refuse(400, visitor)
  }

  /** Without a visitor there was no request. */
  private refuse(status: 400 | 408 | 431, visitor?: Visitor1) {
    const why = visitor === undefined ? unread[status] : unread.body
    // Nobody else waits for it any more.
    if (visitor !== undefined) visitor.spoil(why)
    else this.house.parts.noise({ client: this.peer.address, status, why })
    this.socket.write(barePage(pages.refused(status, why)))
    this.part()
  }

  /** Ends what has gone on for too long. */
  late(now: number) {
    const { visitor, socket } = this
    if (this.state === 'pass' || this.state === 'gone' || (this.state === 'join' && !visitor?.begun)) return
    if (this.state !== 'linger' && visitor !== undefined && !visitor.closed) {
      if (this.watch.isStill(this.wire, now)) socket.destroy()
      return
    }
    if (now < this.watch.deadline) return
    if (this.state === 'talk' && visitor === undefined && this.awaits) this.refuse(408)
    else socket.destroy()
  }

  /** The connection is another's from here on, with what came behind the request. Only its end is still heard of. */
  passOn() {
    const bytes = this.wire.release()
    const socket = this.letGo('pass').pause()
    if (bytes !== undefined) socket.unshift(bytes)
  }

  private letGo(state: State): Socket {
    this.state = state
    this.wire.letGo()
    return this.socket.off('end', this.onFin)
  }

  private wait(ms: number) {
    this.watch.deadline = this.house.now() + ms
  }

  /** The client says nothing more. Whether it has gone or still listens is told by what is said to it; where that is nothing, it has gone. */
  private readonly onFin = () => {
    const { visitor, socket } = this
    this.ended = true
    // It may have asked for more, which has its turn.
    const answered = (visitor === undefined || visitor.closed) && !(this.served > 0 && this.wire.holds)
    if (answered || this.state === 'linger') return socket.destroySoon()
    // Who wants a WebSocket may have nothing to say.
    if (visitor === undefined || visitor.closed || visitor.said || this.state === 'join') return
    // In the middle of a body; TLS has an end of its own, which nobody says who listens on.
    if (!visitor.received || this.scheme === 'https') return socket.destroy()
    if (!this.wire.holds) visitor.last = true
    this.watch.listens(this.house.parts.limits.endedMs)
  }

  private leave() {
    if (this.state !== 'pass') this.state = 'gone'
    this.visitor?.leave()
    this.house.gone(this)
  }
}
