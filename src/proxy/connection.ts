import type { Socket } from 'node:net'

import { faultOf } from './fault.ts'
import { BadMessage } from './field-lines.ts'
import { openQuick, type Quick } from './quick.ts'
import type { Reader } from './reader.ts'
import type { Reply, ReplyListener } from './reply.ts'

/** A request that a connection carries. */
export interface Exchange extends ReplyListener {
  /** Reads its answer. */
  readonly reply: Reply
  /** Before bytes are taken, and after. True: some of them still wait for the client, in the memory that they came in. */
  onArrival(): void
  onPassed(): boolean
  /** The connection is gone, or said nonsense. `untouched`: it had served before, and nothing of an answer has come. */
  onBroken(why: string, untouched: boolean): void
  /** The deadline is over. */
  onLate(): void
}

export interface Owner {
  /** It is free again, or not to be used any more. */
  put(connection: Connection): void
  /** It has ended. */
  gone(connection: Connection): void
}

/** A connection to an upstream: one request at a time, and kept between them. */
export class Connection {
  readonly socket: Socket
  /** Time (`performance.now`) by which something has to have happened. */
  deadline = Number.POSITIVE_INFINITY
  private readonly owner: Owner
  private readonly quick: Quick
  private exchange: Exchange | undefined
  private served = 0
  private touched = false
  private sound = true
  private reset = false

  constructor(socket: Socket, reader: Reader, owner: Owner) {
    this.socket = socket
    this.owner = owner
    this.quick = openQuick(socket)
    let why = 'closed the connection'
    reader.ear = bytes => this.hear(bytes)
    socket.on('error', error => {
      why = faultOf(error)
      this.reset = true
    })
    socket.on('end', () => this.ended(why))
    socket.on('close', () => {
      this.ended(why)
      owner.gone(this)
    })
  }

  get usable(): boolean {
    return this.sound && !this.socket.destroyed
  }

  carry(exchange: Exchange) {
    this.exchange = exchange
    this.touched = false
  }

  write(head: string) {
    if (this.quick.write(head) === 'not') this.socket.write(head, 'latin1')
  }

  /** The exchange is over. */
  release({ keep }: { keep: boolean }) {
    const reply = this.exchange?.reply
    this.exchange = undefined
    this.deadline = Number.POSITIVE_INFINITY
    this.served++
    if (!keep || !reply?.done || !reply.keeps) this.sound = false
    if (reply?.keptSeconds !== undefined && reply.keptSeconds < 2) this.sound = false
    // A client that was slow may have left it so.
    if (this.sound && this.socket.isPaused()) this.socket.resume()
    this.owner.put(this)
  }

  /** Kept and used by nobody, or one that waits for its answer. */
  late(now: number) {
    if (now < this.deadline) return
    this.deadline = Number.POSITIVE_INFINITY
    if (this.exchange === undefined) this.close()
    else this.exchange.onLate()
  }

  close() {
    this.sound = false
    this.socket.destroy()
  }

  private hear(chunk: Buffer): boolean {
    const { exchange } = this
    // Nobody has asked: whatever it is, it must not be taken for the answer to the next request.
    if (exchange === undefined) {
      this.close()
      return false
    }
    this.touched = true
    exchange.onArrival()
    try {
      if (exchange.reply.take(chunk) !== undefined) this.sound = false
    } catch (error) {
      this.sound = false
      if (!(error instanceof BadMessage)) throw error
      exchange.onBroken('gave an answer that is no proper HTTP', false)
      this.close()
    }
    const waits = exchange.onPassed()
    if (!this.sound && this.exchange === undefined) this.close()
    return waits
  }

  private ended(why: string) {
    this.sound = false
    const { exchange } = this
    if (exchange === undefined) return
    // What ends with its connection has to end in order: a reset may come in the middle.
    if (!this.reset && exchange.reply.end()) return
    exchange.onBroken(why, this.served > 0 && !this.touched)
  }
}
