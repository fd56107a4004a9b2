import { Readable } from 'node:stream'

/** What a client may send ahead of the app, per stream: enough for a fast upload over a long way. */
export const streamWindow = 256 * 1024

/** Shorter pieces are gathered: each of them would cost as much as a long one. */
const shortBytes = 4 * 1024
const gatheredMost = 16 * 1024

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
  private pieces: Buffer[] = []
  private gathered = 0
  private consumed = 0
  private credited = 0
  private over = false

  constructor(length: number | undefined, stream: number, to: Granting) {
    this.length = length
    this.stream = stream
    this.to = to
    this.body = new Body(() => this.moved())
    // Whoever reads it hears of it.
    this.body.on('error', () => undefined)
  }

  /** A frame begins. False: there was no room for it. */
  expect(length: number): boolean {
    this.framed += length
    this.granted -= length
    return this.granted >= 0
  }

  /** Short pieces of it wait for `settle`. */
  get gathers(): boolean {
    return this.gathered > 0
  }

  /** False: more than was said. */
  hear(bytes: Buffer): boolean {
    this.bytes += bytes.length
    if (this.length !== undefined && this.bytes > this.length) return false
    this.to.holds(bytes.length)
    if (bytes.length < shortBytes) {
      this.pieces.push(bytes)
      this.gathered += bytes.length
    } else {
      this.pass()
      this.body.push(bytes)
    }
    this.readOn()
    return true
  }

  /** No more comes at once: short pieces go on as one. Behind others that wait they are gathered on, in memory of their own. */
  settle() {
    if (this.body.readableLength === 0 || this.gathered >= gatheredMost) return this.pass()
    if (this.gathered > 0) this.pieces = [Buffer.concat(this.pieces)]
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
    this.pass()
    this.over = true
    this.body.push(null)
    return true
  }

  close(error: Error | undefined) {
    this.over = true
    this.to.holds(this.consumed - this.bytes)
    this.consumed = this.bytes
    this.pieces = []
    this.gathered = 0
    this.body.destroy(error)
  }

  private moved() {
    this.readOn()
    if (this.body.readableLength === 0) this.pass()
  }

  /** Some of it has been read, perhaps. */
  private readOn() {
    const consumed = this.bytes - this.gathered - this.body.readableLength
    // What is left when it closes is nobody's.
    if (consumed <= this.consumed) return
    this.to.holds(this.consumed - consumed)
    this.consumed = consumed
    this.repay()
  }

  private pass() {
    if (this.gathered === 0) return
    const { pieces } = this
    this.pieces = []
    this.gathered = 0
    this.body.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))
    this.readOn()
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

/** Tells when some of what waited in it has been read. */
class Body extends Readable {
  private readonly moved: () => void

  constructor(moved: () => void) {
    super({ highWaterMark: 16 * 1024, read: () => undefined })
    this.moved = moved
  }

  override read(size?: number) {
    const bytes = super.read(size)
    this.moved()
    return bytes
  }
}

/** The connection that it comes over. */
interface Granting {
  /** The client may send so many bytes more of it. */
  credit(stream: number, bytes: number): void
  /** So many more bytes of bodies are held here, or fewer. */
  holds(bytes: number): void
}
