import { METHODS } from 'node:http'

import { BadMessage, fieldsOf, says } from './field-lines.ts'
import { lowered } from './likes.ts'
import { type BodyListener, Message } from './message.ts'

/** A request in HTTP/1.x as it comes from a client. What of it may be forwarded is another's to say (`asked`). */

export interface RequestHead {
  readonly method: string
  /** As it came, in whatever form. */
  readonly target: string
  readonly version: '1.0' | '1.1' | 'unknown'
  /** Flat, in the order and spelling they came in. */
  readonly fields: readonly string[]
  /** The connection may go on after it (RFC 9112 9.3). */
  readonly keeps: boolean
  /** Another protocol is asked for (RFC 9110 7.8). */
  readonly upgrades: boolean
}

export interface RequestListener extends BodyListener {
  onHead(head: RequestHead): void
}

export class Request extends Message {
  private readonly to: RequestListener

  constructor(to: RequestListener) {
    super(to)
    this.to = to
  }

  /** The one before is over. */
  next() {
    this.anew()
  }

  protected override doubt(text: string) {
    if (!beginning.test(text)) throw new BadMessage('no request line')
  }

  protected override readHead(text: string, bytes: Buffer) {
    // Some clients say an empty line too many (RFC 9112 2.2).
    const start = text.startsWith('\r\n') ? 2 : 0
    if (start === text.length) return
    const found = text.indexOf('\r\n', start)
    const first = found === -1 ? text.length : found
    const gap = text.indexOf(' ', start)
    const method = text.startsWith('GET ', start) ? 'GET' : text.slice(start, gap)
    // `asked` looks at the target: no space or control character is in one.
    if (gap === -1 || gap + 2 > first - 9 || !methods.has(method)) throw new BadMessage('no request line')
    const fields = found === -1 ? [] : fieldsOf(text, first + 2, bytes)
    this.frame(method, text.slice(gap + 1, first - 9), versionOf(text.slice(first - 9, first)), fields)
  }

  /** RFC 9112 6.3. Where it is not clear, the request is refused, and whatever follows belongs to it. */
  private frame(
    method: string,
    target: string,
    version: RequestHead['version'],
    fields: readonly string[],
  ): void {
    let length: string | undefined
    let coding: string | undefined
    let connection = ''
    let clear = version !== 'unknown'
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!
      // Only names of these lengths are of interest: most are passed over without being lowered.
      if (name.length !== 10 && name.length !== 14 && name.length !== 17) continue
      const value = fields[at + 1]!
      switch (lowered(name)) {
        case 'content-length':
          clear &&= length === undefined && /^\d{1,15}$/.test(value)
          length = value
          break
        case 'transfer-encoding':
          clear &&= coding === undefined && version === '1.1' && value.toLowerCase() === 'chunked'
          coding = value
          break
        case 'connection':
          connection = connection === '' ? value.toLowerCase() : `${connection},${value.toLowerCase()}`
          break
      }
    }
    if (!clear || (length !== undefined && coding !== undefined)) this.open()
    else if (coding !== undefined) this.chunked()
    else this.counted(length === undefined ? 0 : Number(length))
    const ends = says(connection, 'close')
    this.to.onHead({
      ...{ method, target, version, fields },
      keeps: clear && !ends && (version === '1.1' || says(connection, 'keep-alive')),
      upgrades: says(connection, 'upgrade'),
    })
  }
}

function versionOf(said: string): RequestHead['version'] {
  if (said === ' HTTP/1.1') return '1.1'
  if (said === ' HTTP/1.0') return '1.0'
  if (/^ HTTP\/\d\.\d$/.test(said)) return 'unknown'
  throw new BadMessage('no request line')
}

/** Perhaps not all of a request line yet, and each line ended as lines are. */
const beginning = /^(?:\r\n)*(?:\r?$|[A-Z][A-Z-]{0,23}(?: |$)(?:[^\r\n]|\r\n|\r$)*$)/

const methods: ReadonlySet<string> = new Set(METHODS)

/** Only these make a WebSocket (RFC 6455 4.1); every other upgrade is ignored, as RFC 9110 7.8 allows. */
export function isWebSocket({ method, version, fields }: RequestHead): boolean {
  if (method !== 'GET' || version !== '1.1') return false
  let upgrades = false
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!.toLowerCase()
    if (name === 'upgrade') upgrades = fields[at + 1]!.toLowerCase() === 'websocket'
    else if (name === 'transfer-encoding') return false
    else if (name === 'content-length' && fields[at + 1] !== '0') return false
  }
  return upgrades
}
