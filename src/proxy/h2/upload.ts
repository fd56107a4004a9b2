import { Readable } from 'node:stream'

/** What a client may send ahead of the app, per stream: enough for a fast upload over a long way. */
export const streamWindow = 256 * 1024

/** The body of a request, on its way from frames to whoever reads it. */
export class Upload {
  readonly body: Readable
  bytes = 0
  /** As it was said. */
  private readonly length: number | undefined
  private readonly to: Granting
  private readonly stream: number
  /** Bytes that the client may still send, that its frames had in all, and that were only padding. */
  private granted = streamWindow
  private framed = 0
  private padded = 0
  private consumed = 0
  private credited = 0
  private over = false

  constructor(length: number | undefined, stream: number, to: Granting) {
    this.length = length
    this.stream = stream
    this.to = to
    // Asked for more, it has not yet given what it has.
    const read = () => process.nextTick(() => this.readOn())
    this.body = new Readable({ highWaterMark: streamWindow / 2, read })
    // Whoever reads it hears of it.
    this.body.on('error', () => undefined)
  }

  /** A frame begins. False: there was no room for it. */
  expect(length: number): boolean {
    this.framed += length
    this.granted -= length
    return this.granted >= 0
  }

  /** False: more than was said. */
  hear(bytes: Buffer): boolean {
    this.bytes += bytes.length
    if (this.length !== undefined && this.bytes > this.length) return false
    this.to.holds(bytes.length)
    this.body.push(bytes)
    this.readOn()
    return true
  }

  /** A frame has come whole. */
  heardFrame() {
    if (this.framed === this.bytes + this.padded) return
    this.padded = this.framed - this.bytes
    this.repay()
  }

  /** It is whole. False: it is shorter than was said. */
  heardAll(): boolean {
    if (this.length !== undefined && this.bytes !== this.length) return false
    this.over = true
    this.body.push(null)
    return true
  }

  close(error: Error | undefined) {
    this.over = true
    this.to.holds(this.consumed - this.bytes)
    this.consumed = this.bytes
    this.body.destroy(error)
  }

  /** Some of it has been read, perhaps. */
  private readOn() {
    const consumed = this.bytes - this.body.readableLength
    // What is left when it closes is nobody's.
    if (consumed <= this.consumed) return
    this.to.holds(this.consumed - consumed)
    this.consumed = consumed
    this.repay()
  }

  /** As much as has gone may come again. */
  private repay() {
    const owed = this.consumed + this.padded - this.credited
    if (this.over || owed < streamWindow / 2) return
    this.credited += owed
    this.granted += owed
    this.to.credit(this.stream, owed)
  }
}

/** The connection that it comes over. */
interface Granting {
  /** The client may send so many bytes more of it. */
  credit(stream: number, bytes: number): void
  /** So many more bytes of bodies are held here, or fewer. */
  holds(bytes: number): void
}
