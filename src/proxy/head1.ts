import { STATUS_CODES } from 'node:http'

import { lowered } from './likes.ts'

/** How the end of an answer's body is told (RFC 9112 6.3); `close`: by that of the connection. */
export type Framing = 'none' | 'counted' | 'chunked' | 'close'

export interface Head1 {
  /** Lines, the empty one included. */
  readonly text: string
  readonly framing: Framing
  /** Bytes of a counted body. */
  readonly length: number
  readonly keeps: boolean
}

export interface Saying {
  readonly status: number
  readonly reason: string
  readonly fields: readonly string[]
  /** The fields need not be looked at. */
  readonly clean: boolean
  /** Of the request. */
  readonly method: string
  readonly version: string
  /** The connection may go on; `Keep-Alive`'s value in that case. */
  readonly keeps: string | undefined
}

/** The head of an answer in HTTP/1.1. Throws an Error for what cannot be said. */
export function answerHead(saying: Saying): Head1 {
  const { status, reason, fields, clean, method, version } = saying
  let length: number | undefined
  let dated = false
  if (status < 200 || status > 999) throw new Error(`${status} is not the status of an answer`)
  if (!printable.test(reason)) throw new Error('a reason that cannot be said')
  const bodiless = method === 'HEAD' || status === 204 || status === 304
  let lines = ''
  let announcement = ''
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const value = fields[at + 1]!
    if (!clean && !(token.test(name) && printable.test(value))) throw new Error('a field that cannot be said')
    // Only names of these lengths are of interest: most are passed over without being lowered.
    switch (name.length) {
      case 4:
        dated ||= lowered(name) === 'date'
        break
      case 7:
        if (name.toLowerCase() !== 'trailer') break
        announcement += `${name}: ${value}\r\n`
        continue
      case 10:
      case 17:
        if (ofConnection.has(name.toLowerCase())) continue
        break
      case 14:
        if (lowered(name) !== 'content-length') break
        // A length of what may not be there (RFC 9110 8.6).
        if (status === 204) continue
        if (length !== undefined || !/^\d{1,15}$/.test(value)) throw new Error('more or less than one length')
        length = Number(value)
    }
    lines += `${name}: ${value}\r\n`
  }
  const framing: Framing = bodiless
    ? 'none'
    : length !== undefined
      ? 'counted'
      : version === '1.1'
        ? 'chunked'
        : 'close'
  // Trailers come after chunks, and nowhere else (RFC 9112 7.1.2).
  if (framing === 'chunked') lines += announcement
  const keeps = saying.keeps !== undefined && framing !== 'close'
  const first = `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? 'unknown') : reason}\r\n`
  return {
    text:
      first +
      lines +
      (dated ? '' : `Date: ${new Date().toUTCString()}\r\n`) +
      (framing === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '') +
      (keeps ? `Connection: keep-alive\r\nKeep-Alive: ${saying.keeps}\r\n\r\n` : 'Connection: close\r\n\r\n'),
    framing,
    length: length ?? 0,
    keeps,
  }
}

/** An interim answer (RFC 9110 15.2); undefined for what cannot be said. */
export function interimHead(status: 100 | 103, fields: readonly string[] = []): string | undefined {
  let lines = ''
  for (let at = 0; at < fields.length; at += 2) {
    if (!token.test(fields[at]!) || !printable.test(fields[at + 1]!)) return undefined
    lines += `${fields[at]}: ${fields[at + 1]}\r\n`
  }
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n`
}

const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const printable = /^[\t\x20-\x7e\x80-\xff]*$/
