import { EventEmitter } from 'node:events'

/** Bytes of a body that nobody takes yet; then no more are read. */
const heldMost = 64 * 1024

/** Whoever reads what comes of a body. */
export interface Source {
  pause(): void
  resume(): void
}

/** The body of a request in HTTP/1.x on its way from its connection, one of the forms of `Incoming`. */
export class Body extends EventEmitter {
  readableLength = 0
  readableEnded = false
  /** Set by who takes the bytes and may still need their memory afterwards: true while that is so. Others get copies. */
  owes: (() => boolean) | undefined
  private readonly source: Source
  private held: Buffer[] = []
  private flowing = false
  private whole = false
  private over = false

  constructor(source: Source) {
    super()
    this.source = source
  }

  /** `lent`: the memory is used again, at once (`shared`) or as soon as nobody needs it (`own`); otherwise it is the taker's. */
  push(chunk: Buffer, lent: 'shared' | 'own' | 'no') {
    const keeps = lent === 'no' || (lent === 'own' && this.owes !== undefined)
    if (this.flowing && this.held.length === 0) {
      this.emit('data', keeps ? chunk : Buffer.from(chunk))
      return
    }
    this.held.push(lent === 'no' ? chunk : Buffer.from(chunk))
    this.readableLength += chunk.length
    if (this.readableLength >= heldMost) this.source.pause()
  }

  /** Of the bytes that were given last some memory is still needed. */
  lends(): boolean {
    return this.owes?.() ?? false
  }

  /** It has come to its end. */
  end() {
    this.whole = true
    if (this.flowing && this.held.length === 0) this.finish()
  }

  /** It will not. */
  fail() {
    if (this.over) return
    this.over = true
    this.emit('close')
  }

  isPaused(): boolean {
    return !this.flowing
  }

  pause() {
    this.flowing = false
    if (!this.whole) this.source.pause()
  }

  resume() {
    if (this.flowing) return
    this.flowing = true
    if (this.held.length > 0 || this.whole) process.nextTick(() => this.flow())
    else this.source.resume()
  }

  private flow() {
    while (this.flowing && this.held.length > 0) {
      const chunk = this.held.shift()!
      this.readableLength -= chunk.length
      this.emit('data', chunk)
    }
    if (!this.flowing || this.over) return
    if (this.whole) this.finish()
    else this.source.resume()
  }

  private finish() {
    if (this.over) return
    this.over = true
    this.readableEnded = true
    this.emit('end')
  }
}
