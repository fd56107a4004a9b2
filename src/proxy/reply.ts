import { BadReply, fieldsOf } from './field-lines.ts'

/** An answer in HTTP/1.x as it comes from an upstream (RFC 9112), strictly: what two readers could understand differently is no answer. */

export interface ReplyHead {
  readonly status: number
  readonly reason: string
  /** Flat, in the order and spelling they came in. */
  readonly fields: readonly string[]
}

export interface ReplyListener {
  /** 1xx, but for 101. */
  onInterim(head: ReplyHead): void
  onHead(head: ReplyHead, framing: { readonly length: number | undefined }): void
  /** The memory of `chunk` is lent: until the bytes have been taken, or longer where that is said (`Exchange`). */
  onBody(chunk: Buffer): void
  onEnd(trailers: readonly string[]): void
}

const beginning = 'HTTP/1.'
const longestHead = 32 * 1024
const usualHead = 2048
const longestChunkLine = 4096
const mostInterim = 20

type State = 'head' | 'counted' | 'open' | 'size' | 'data' | 'after' | 'trailers' | 'done'

export class Reply {
  /** The connection may be used again. Known with the head. */
  keeps = false
  /** Seconds that the upstream says it keeps the connection. */
  keptSeconds: number | undefined
  private readonly listener: ReplyListener
  private readonly method: string
  private state: State = 'head'
  /** What has come of a head, a chunk's line or trailers that are not whole. */
  private held: Buffer | undefined
  private left = 0
  private interim = 0

  constructor(method: string, listener: ReplyListener) {
    this.method = method
    this.listener = listener
  }

  get done(): boolean {
    return this.state === 'done'
  }

  /** Throws BadReply. Answers whether all of the chunk belonged to this answer. */
  take(chunk: Buffer): boolean {
    let rest: Buffer | undefined = chunk
    while (rest !== undefined && rest.length > 0) {
      if (this.state === 'done') return false
      rest = this.step(rest)
    }
    return true
  }

  /** The connection has ended. False when the answer is not whole. */
  end(): boolean {
    if (this.state === 'open') this.finish([])
    return this.state === 'done'
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
        return this.until('\r\n', bytes, longestChunkLine, text => this.readSize(text))
      case 'after':
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
    // What does not begin like an answer is not waited for.
    if (!text.startsWith(beginning) && !beginning.startsWith(text)) throw new BadReply('no status line')
    const at = text.indexOf('\r\n\r\n')
    if (at === -1) return this.awaitHead(bytes)
    this.readHead(text.slice(0, at))
    return at + 4 < bytes.length ? bytes.subarray(at + 4) : undefined
  }

  private awaitHead(bytes: Buffer): Buffer | undefined {
    return this.until('\r\n\r\n', bytes, longestHead, text => this.readHead(text))
  }

  private pass(bytes: Buffer): Buffer | undefined {
    const mine = bytes.length <= this.left ? bytes : bytes.subarray(0, this.left)
    this.left -= mine.length
    const over = this.left === 0
    if (over && this.state === 'data') this.state = 'after'
    this.listener.onBody(mine)
    if (over && this.state === 'counted') this.finish([])
    return bytes.length > mine.length ? bytes.subarray(mine.length) : undefined
  }

  /** Reads what is before `end`, once that has come; `longest` without the end. */
  private until(
    end: string,
    bytes: Buffer,
    longest: number,
    read: (text: string) => void,
  ): Buffer | undefined {
    const whole = this.held === undefined ? bytes : Buffer.concat([this.held, bytes])
    const at = whole.indexOf(end, 0, 'latin1')
    if (at > longest || (at === -1 && whole.length > longest + end.length - 1)) throw new BadReply('too long')
    if (at === -1) {
      // What comes next may come into the same memory.
      this.held = whole === bytes ? Buffer.from(bytes) : whole
      return undefined
    }
    this.held = undefined
    read(whole.toString('latin1', 0, at))
    const next = at + end.length
    return next < whole.length ? whole.subarray(next) : undefined
  }

  private readHead(text: string): void {
    const first = text.indexOf('\r\n')
    const line = first === -1 ? text : text.slice(0, first)
    if (!statusLine.test(line)) throw new BadReply('no status line')
    const status = Number(line.slice(9, 12))
    const reason = line.slice(13)
    const fields = first === -1 ? [] : fieldsOf(text, first + 2)
    if (status === 101) throw new BadReply('another protocol, unasked')
    if (status < 200) {
      if (++this.interim > mostInterim) throw new BadReply('no end of interim answers')
      this.listener.onInterim({ status, reason, fields })
      return
    }
    this.frame({ status, reason, fields }, line.charCodeAt(7) === 0x31)
  }

  /** RFC 9112 6.3. */
  private frame(head: ReplyHead, persistent: boolean): void {
    let length: string | undefined
    let coding: string | undefined
    let connection = ''
    for (let at = 0; at < head.fields.length; at += 2) {
      const name = head.fields[at]!
      // Only names of these lengths are of interest: most are passed over without being lowered.
      if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue
      const value = head.fields[at + 1]!
      switch (name.toLowerCase()) {
        case 'content-length':
          if (length !== undefined || !/^\d{1,15}$/.test(value)) throw new BadReply('no one length')
          length = value
          break
        case 'transfer-encoding':
          if (coding !== undefined) throw new BadReply('several codings')
          coding = value.toLowerCase()
          break
        case 'connection':
          connection += `,${value.toLowerCase()}`
          break
        case 'keep-alive':
          this.keptSeconds = Number(/timeout\s*=\s*(\d{1,6})/i.exec(value)?.[1] ?? Number.NaN)
          break
      }
    }
    if (coding !== undefined && (coding !== 'chunked' || length !== undefined || !persistent)) {
      throw new BadReply('its end is said twice, or not at all')
    }
    this.keeps = persistent ? !says(connection, 'close') : says(connection, 'keep-alive')
    const { status } = head
    const bodyless = this.method === 'HEAD' || status === 204 || status === 304
    // A body that may not be there could be taken for the next answer.
    if (bodyless && this.method !== 'HEAD' && (coding !== undefined || Number(length ?? 0) > 0))
      this.keeps = false
    const counted = length === undefined ? undefined : Number(length)
    if (bodyless || counted === 0) this.state = 'counted'
    else if (coding !== undefined) this.state = 'size'
    else if (counted !== undefined) {
      this.state = 'counted'
      this.left = counted
    } else {
      this.state = 'open'
      this.keeps = false
    }
    this.listener.onHead(head, { length: bodyless ? 0 : counted })
    if (this.state === 'counted' && this.left === 0) this.finish([])
  }

  /** RFC 9112 7.1; extensions are nobody's. */
  private readSize(text: string): void {
    const [, size] = /^([0-9a-fA-F]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(text) ?? []
    if (size === undefined) throw new BadReply('no size of a chunk')
    this.left = Number.parseInt(size, 16)
    this.state = this.left === 0 ? 'trailers' : 'data'
  }

  private readTrailers(bytes: Buffer): Buffer | undefined {
    const whole = this.held === undefined ? bytes : Buffer.concat([this.held, bytes])
    if (whole.length < 2) {
      this.held = Buffer.from(whole)
      return undefined
    }
    if (whole[0] === 0x0d && whole[1] === 0x0a) {
      this.held = undefined
      this.finish([])
      return whole.length > 2 ? whole.subarray(2) : undefined
    }
    return this.until('\r\n\r\n', bytes, longestHead, text => this.finish(fieldsOf(text, 0)))
  }

  private finish(trailers: readonly string[]): void {
    this.state = 'done'
    this.listener.onEnd(trailers)
  }
}

const statusLine = /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?$/

/** Whether a word is among those of Connection, lower-case. */
function says(connection: string, word: string): boolean {
  return (
    connection.includes(word) &&
    connection
      .split(',')
      .map(each => each.trim())
      .includes(word)
  )
}
