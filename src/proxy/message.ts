import { BadMessage, fieldsOf } from './field-lines.ts'

/** What a message in HTTP/1.x is made of (RFC 9112), read as it comes, strictly: what two readers could understand differently is none. */

export interface BodyListener {
  /** The memory of `chunk` is lent: until the bytes have been taken, or longer where that is said. `own`: it is nobody else's. */
  onBody(chunk: Buffer, own?: boolean): void
  onEnd(trailers: readonly string[]): void
}

const longestHead = 32 * 1024
const usualHead = 2048
const longestChunkLine = 4096
/** Of all extensions of a message's chunks together: they are nobody's, and there may be one for each byte. */
const longestExtensions = 16 * 1024

const [lf, cr] = [0x0a, 0x0d]

/** The value of a hexadecimal digit; -1 where it is none. */
function digitOf(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

type State = 'head' | 'counted' | 'open' | 'size' | 'data' | 'after' | 'trailers' | 'done'

export abstract class Message {
  private readonly listener: BodyListener
  private state: State = 'head'
  /** What has come of a head, a chunk's line or trailers that are not whole. */
  private held: Buffer | undefined
  private left = 0
  private extensions = 0
  /** Of a body in chunks, what has come at once: however small they are, it is given on in one piece. */
  private pieces: Buffer[] | undefined

  constructor(listener: BodyListener) {
    this.listener = listener
  }

  /** Reads the lines of a head, without the empty one, and says by `counted`, `chunked` or `open` what follows it. `bytes` begin with it. */
  protected abstract readHead(text: string, bytes: Buffer): void

  /** Throws BadMessage where no head could begin so. It may be the beginning of one, or all of it and more. */
  protected abstract doubt(text: string): void

  get done(): boolean {
    return this.state === 'done'
  }

  /** Nothing has come of it. */
  get blank(): boolean {
    return this.state === 'head' && this.held === undefined
  }

  /** Takes what belongs to this message, and answers what came behind it. Throws BadMessage. */
  take(chunk: Buffer): Buffer | undefined {
    let rest: Buffer | undefined = chunk
    while (rest !== undefined && rest.length > 0) {
      if (this.state === 'done') return rest
      rest = this.step(rest)
    }
    this.give()
    return undefined
  }

  /** The connection has ended. False when the message is not whole. */
  end(): boolean {
    if (this.state === 'open') this.finish([])
    return this.state === 'done'
  }

  /** Another message of the same connection begins. */
  protected anew() {
    this.state = 'head'
    this.extensions = 0
  }

  protected counted(length: number) {
    this.state = 'counted'
    this.left = length
  }

  protected chunked() {
    this.state = 'size'
  }

  /** To the end of the connection. */
  protected open() {
    this.state = 'open'
  }

  /** Bytes that have to come yet of a body, or of its chunk, as far as is known. */
  get owed(): number {
    return this.left
  }

  /** Takes some of it and answers the rest; undefined when more has to come. */
  private step(bytes: Buffer): Buffer | undefined {
    switch (this.state) {
      case 'head':
        return this.held === undefined ? this.takeHead(bytes) : this.awaitHead(bytes)
      case 'counted':
      case 'data':
        return this.pass(bytes)
      case 'open':
        this.listener.onBody(bytes)
        return undefined
      case 'size':
        return (
          this.takeSize(bytes) ?? this.until('\r\n', bytes, longestChunkLine, text => this.readSize(text))
        )
      case 'after':
        if (this.held === undefined && bytes[0] === cr && bytes[1] === lf && bytes.length > 2) {
          this.state = 'size'
          return bytes.subarray(2)
        }
        return this.until('\r\n', bytes, 0, () => {
          this.state = 'size'
        })
      case 'trailers':
        return this.readTrailers(bytes)
      case 'done':
        return bytes
    }
  }

  /** Nearly every head comes at once, and is short: it is made text once, and looked through as that. */
  private takeHead(bytes: Buffer): Buffer | undefined {
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, usualHead))
    const at = text.indexOf('\r\n\r\n')
    if (at === -1) return this.awaitHead(bytes)
    this.readWhole(text.slice(0, at), bytes)
    return at + 4 < bytes.length ? bytes.subarray(at + 4) : undefined
  }

  private awaitHead(bytes: Buffer): Buffer | undefined {
    return this.until('\r\n\r\n', bytes, longestHead, (text, whole) => this.readWhole(text, whole))
  }

  private readWhole(text: string, bytes: Buffer) {
    this.readHead(text, bytes)
    if (this.state === 'counted' && this.left === 0) this.finish([])
  }

  private pass(bytes: Buffer): Buffer | undefined {
    const mine = bytes.length <= this.left ? bytes : bytes.subarray(0, this.left)
    this.left -= mine.length
    const over = this.left === 0
    if (this.state === 'counted') {
      this.listener.onBody(mine)
      if (over) this.finish([])
    } else {
      if (over) this.state = 'after'
      if (this.pieces === undefined) this.pieces = [mine]
      else this.pieces.push(mine)
    }
    return bytes.length > mine.length ? bytes.subarray(mine.length) : undefined
  }

  private give() {
    const { pieces } = this
    if (pieces === undefined) return
    this.pieces = undefined
    if (pieces.length === 1) this.listener.onBody(pieces[0]!)
    else this.listener.onBody(Buffer.concat(pieces), true)
  }

  /** Reads what is before `end`, once that has come; `longest` without the end. */
  private until(
    end: string,
    bytes: Buffer,
    longest: number,
    read: (text: string, bytes: Buffer) => void,
  ): Buffer | undefined {
    const whole = this.held === undefined ? bytes : Buffer.concat([this.held, bytes])
    const at = whole.indexOf(end, 0, 'latin1')
    if (at > longest || (at === -1 && whole.length > longest + end.length - 1)) {
      throw new BadMessage('too long', { tooLong: this.state === 'head' })
    }
    if (at === -1) {
      // What does not begin like a head is not waited for.
      if (this.state === 'head' && whole.length <= usualHead) this.doubt(whole.toString('latin1'))
      // What comes next may come into the same memory.
      this.held = whole === bytes ? Buffer.from(bytes) : whole
      return undefined
    }
    this.held = undefined
    read(whole.toString('latin1', 0, at), whole)
    const next = at + end.length
    return next < whole.length ? whole.subarray(next) : undefined
  }

  /** Nearly every size is a few digits and the end of their line, with something behind it. Undefined where this is another. */
  private takeSize(bytes: Buffer): Buffer | undefined {
    if (this.held !== undefined) return undefined
    let size = 0
    let at = 0
    for (let digit = digitOf(bytes[0]); digit !== -1 && at < 8; digit = digitOf(bytes[++at])) {
      size = size * 16 + digit
    }
    if (at === 0 || bytes[at] !== cr || bytes[at + 1] !== lf || bytes.length === at + 2) return undefined
    this.begin(size)
    return bytes.subarray(at + 2)
  }

  private begin(size: number) {
    this.left = size
    this.state = size === 0 ? 'trailers' : 'data'
  }

  /** RFC 9112 7.1; extensions are nobody's. */
  private readSize(text: string): void {
    const [, size] = /^([0-9a-fA-F]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(text) ?? []
    if (size === undefined) throw new BadMessage('no size of a chunk')
    this.extensions += text.length - size.length
    if (this.extensions > longestExtensions) throw new BadMessage('too much beside its chunks')
    this.begin(Number.parseInt(size, 16))
  }

  private readTrailers(bytes: Buffer): Buffer | undefined {
    const whole = this.held === undefined ? bytes : Buffer.concat([this.held, bytes])
    if (whole.length < 2) {
      this.held = Buffer.from(whole)
      return undefined
    }
    if (whole[0] === cr && whole[1] === lf) {
      this.held = undefined
      this.finish([])
      return whole.length > 2 ? whole.subarray(2) : undefined
    }
    return this.until('\r\n\r\n', bytes, longestHead, (text, whole) => this.finish(fieldsOf(text, 0, whole)))
  }

  private finish(trailers: readonly string[]): void {
    this.give()
    this.state = 'done'
    this.listener.onEnd(trailers)
  }
}
