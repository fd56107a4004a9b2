import { BadMessage, fieldsOf, says } from './field-lines.ts'
import { lowered } from './likes.ts'
import { type BodyListener, Message } from './message.ts'

/** An answer in HTTP/1.x as it comes from an upstream. */

export interface ReplyHead {
  readonly status: number
  readonly reason: string
  /** Flat, in the order and spelling they came in. */
  readonly fields: readonly string[]
}

export interface ReplyListener extends BodyListener {
  /** 1xx, but for 101. */
  onInterim(head: ReplyHead): void
  onHead(head: ReplyHead, framing: { readonly length: number | undefined }): void
}

const beginning = 'HTTP/1.'
const mostInterim = 20

export class Reply extends Message {
  /** The connection may be used again. Known with the head. */
  keeps = false
  /** Seconds that the upstream says it keeps the connection. */
  keptSeconds: number | undefined
  private readonly to: ReplyListener
  private readonly method: string
  private interim = 0

  constructor(method: string, to: ReplyListener) {
    super(to)
    this.method = method
    this.to = to
  }

  protected override doubt(text: string) {
    if (!text.startsWith(beginning) && !beginning.startsWith(text)) throw new BadMessage('no status line')
  }

  protected override readHead(text: string, bytes: Buffer): void {
    const plain = text.startsWith(usual)
    const first = plain ? usual.length - 2 : text.indexOf('\r\n')
    const line = first === -1 ? text : text.slice(0, first)
    if (!plain && !statusLine.test(line)) throw new BadMessage('no status line')
    const status = plain ? 200 : Number(line.slice(9, 12))
    const reason = plain ? 'OK' : line.slice(13)
    const fields = first === -1 ? [] : fieldsOf(text, first + 2, bytes)
    if (status === 101) throw new BadMessage('another protocol, unasked')
    if (status < 200) {
      if (++this.interim > mostInterim) throw new BadMessage('no end of interim answers')
      this.to.onInterim({ status, reason, fields })
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
      switch (lowered(name)) {
        case 'content-length':
          if (length !== undefined || !/^\d{1,15}$/.test(value)) throw new BadMessage('no one length')
          length = value
          break
        case 'transfer-encoding':
          if (coding !== undefined) throw new BadMessage('several codings')
          coding = value.toLowerCase()
          break
        case 'connection':
          // In HTTP/1.1 that goes without saying.
          if (value !== 'keep-alive' || !persistent) connection += `,${value.toLowerCase()}`
          break
        case 'keep-alive':
          this.keptSeconds = Number(/timeout\s*=\s*(\d{1,6})/i.exec(value)?.[1] ?? Number.NaN)
          break
      }
    }
    if (coding !== undefined && (coding !== 'chunked' || length !== undefined || !persistent)) {
      throw new BadMessage('its end is said twice, or not at all')
    }
    this.keeps = persistent ? !says(connection, 'close') : says(connection, 'keep-alive')
    const { status } = head
    const bodyless = this.method === 'HEAD' || status === 204 || status === 304
    // A body that may not be there could be taken for the next answer.
    if (bodyless && this.method !== 'HEAD' && (coding !== undefined || Number(length ?? 0) > 0))
      this.keeps = false
    const counted = length === undefined ? undefined : Number(length)
    if (bodyless) this.counted(0)
    else if (coding !== undefined) this.chunked()
    else if (counted !== undefined) this.counted(counted)
    else {
      this.open()
      this.keeps = false
    }
    this.to.onHead(head, { length: bodyless ? 0 : counted })
  }
}

const usual = 'HTTP/1.1 200 OK\r\n'
const statusLine = /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?$/
