import { Writable } from 'node:stream'

import type { Choice, Coding } from './codings.ts'
import { isCompressible } from './content-type.ts'
import { valuesOf } from './fields.ts'
import { isLike, likesOf, lowered } from './likes.ts'
import type { BeginOptions, Visitor } from './visitor.ts'

/** Smaller answers are not worth the work. */
const leastBytes = 1024

/**
 * A visitor whose answers are made smaller on their way, where they are of a kind that becomes smaller, nobody has done it before, and the
 * client takes it. What an app sends bit by bit arrives bit by bit.
 */
export class Compressing implements Visitor {
  private readonly to: Visitor
  private readonly choose: Choice
  private coded: Writable | undefined
  private stop: (() => void) | undefined
  private closing: readonly string[] = []

  constructor(to: Visitor, choose: Choice) {
    this.to = to
    this.choose = choose
  }

  get version() {
    return this.to.version
  }
  get scheme() {
    return this.to.scheme
  }
  get tls() {
    return this.to.tls
  }
  get method() {
    return this.to.method
  }
  get target() {
    return this.to.target
  }
  get authority() {
    return this.to.authority
  }
  get fields() {
    return this.to.fields
  }
  get peer() {
    return this.to.peer
  }
  get flow() {
    return this.to.flow
  }
  get body() {
    return this.to.body
  }
  get taken() {
    return this.to.taken
  }
  set taken(taken: number) {
    this.to.taken = taken
  }
  get received() {
    return this.to.received
  }
  get trailers() {
    return this.to.trailers
  }
  get out() {
    return this.coded ?? this.to.out
  }
  get ahead() {
    return this.to.ahead
  }
  get begun() {
    return this.to.begun
  }
  get status() {
    return this.to.status
  }
  get bytes() {
    return this.to.bytes
  }
  /** What goes over the wire is counted where it comes out. */
  set bytes(bytes: number) {
    if (!this.coded) this.to.bytes = bytes
  }
  get closed() {
    return this.to.closed
  }

  proceed() {
    this.to.proceed()
  }
  hint(links: readonly string[]) {
    this.to.hint(links)
  }
  patience(ms: number) {
    this.to.patience(ms)
  }
  flush() {
    this.to.flush()
  }
  onClose(listener: () => void) {
    this.to.onClose(listener)
  }

  begin(status: number, reason: string, fields: readonly string[], options?: BeginOptions) {
    const length = lengthToCode(status, fields)
    if (length === 'not' || options?.whole) return this.to.begin(status, reason, fields, options)
    const coding = this.to.version === '1.0' ? undefined : this.choose(acceptedBy(this.to))
    this.to.begin(status, reason, coding ? codedFields(fields, coding) : varied(fields), options)
    if (coding && this.to.method !== 'HEAD') this.code(coding, length === undefined)
  }

  endWhole(body: Buffer): boolean {
    if (!this.coded) return this.to.endWhole(body)
    this.coded.end(Buffer.from(body))
    return false
  }

  get plainest(): Visitor {
    return this.coded ? this : this.to
  }

  settle() {
    this.to.settle?.()
  }

  endWith(trailers: readonly string[]) {
    if (!this.coded) return this.to.endWith(trailers)
    this.closing = trailers
    this.coded.end()
  }

  cut(options?: { cancelled: boolean }) {
    this.stop?.()
    this.to.cut(options)
  }

  private code(coding: Coding, flushing: boolean) {
    const { to } = this
    const codec = coding.open(flushing)
    codec.on('data', (chunk: Buffer) => {
      to.bytes += chunk.length
    })
    codec.once('end', () => (this.closing.length > 0 ? to.endWith(this.closing) : to.out.end()))
    codec.on('error', () => to.cut())
    codec.pipe(to.out, { end: false })
    // While it is at work, what comes is gathered: small pieces do not each have a flush of their own.
    const coded = new Writable({
      writev: (pieces, done) => void codec.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), done),
      write: (chunk, _encoding, done) => void codec.write(chunk, done),
      final: done => {
        codec.end()
        done()
      },
    })
    coded.on('error', () => to.cut())
    this.stop = () => {
      coded.destroy()
      codec.destroy()
    }
    to.onClose(this.stop)
    this.coded = coded
  }
}

function acceptedBy({ fields }: Visitor): string {
  return valuesOf(fields, 'accept-encoding').join(',')
}

/** Who an answer that has begun is given to: where nothing is made smaller, whoever would have done it stands aside. */
export function behind(visitor: Visitor): Visitor {
  return visitor instanceof Compressing ? visitor.plainest : visitor
}

/** Whether it may become smaller; most answers are passed on without more ado. */
export function isCodable(status: number, fields: readonly string[], length?: number): boolean {
  if (length !== undefined && length < leastBytes) return false
  return lengthToCode(status, fields) !== 'not'
}

/** The length of an answer that may be made smaller, undefined where nobody knows it. */
function lengthToCode(status: number, fields: readonly string[]): number | undefined | 'not' {
  // Only a whole one: no part of it, and none without a body.
  if (status < 200 || status === 204 || status === 205 || status === 206 || status === 304) return 'not'
  let length: number | undefined
  let compressible = false
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    if (!isLike(telling, name)) continue
    switch (lowered(name)) {
      case 'content-length':
        length = Number(fields[at + 1])
        if (length < leastBytes) return 'not'
        break
      case 'content-type':
        compressible = isText(fields[at + 1]!)
        if (!compressible) return 'not'
        break
      case 'content-encoding':
      case 'content-range':
      case 'content-digest':
      case 'content-md5':
      case 'repr-digest':
      case 'digest':
        return 'not'
      case 'cache-control':
        if (/\bno-transform\b/i.test(fields[at + 1]!)) return 'not'
    }
  }
  return compressible ? length : 'not'
}

/** What says whether an answer may become smaller. */
const telling = likesOf([
  ...['content-length', 'content-type', 'content-encoding', 'content-range', 'cache-control'],
  ...['content-digest', 'content-md5', 'repr-digest', 'digest'],
])

function isText(type: string): boolean {
  const end = type.indexOf(';')
  const name = (end === -1 ? type : type.slice(0, end)).trim().toLowerCase()
  return name !== 'text/event-stream' && isCompressible(name)
}

/** Of another length, no longer the same byte for byte, and without parts to ask for. */
function codedFields(fields: readonly string[], coding: Coding): string[] {
  const coded = ['Content-Encoding', coding.name]
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const value = fields[at + 1]!
    const lower = name.toLowerCase()
    if (lower === 'content-length' || lower === 'accept-ranges') continue
    coded.push(name, lower === 'etag' && value.startsWith('"') ? `W/${value}` : value)
  }
  return varied(coded)
}

/** Caches keep an answer for those who take the same encodings. */
function varied(fields: readonly string[]): string[] {
  const all = [...fields]
  const at = all.findIndex((name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === 'vary')
  if (at === -1) all.push('Vary', 'Accept-Encoding')
  else if (!valuesOf(fields, 'vary').some(value => /(^|,)\s*(\*|accept-encoding)\s*(,|$)/i.test(value)))
    all[at + 1] += ', Accept-Encoding'
  return all
}
