import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

import { clientFields, valuesOf } from './fields.ts'
import { hostnameOf } from './table.ts'

/** A request that may be forwarded, and how. */
export interface Asked {
  readonly id: string
  readonly hostname: string
  /** The request target's bytes, in origin form or `*`. */
  readonly path: string
  /** Flat list of fields for the upstream, but for those of one connection. */
  readonly fields: readonly string[]
  readonly body: 'none' | 'chunked' | 'counted'
  /** The body comes only after `100 Continue`. */
  readonly expectsContinue: boolean
  /** May be sent twice (RFC 9110 9.2.2). */
  readonly idempotent: boolean
}

/** Why a request is not forwarded. */
export interface Refused {
  readonly id: string
  readonly status: 400 | 405 | 417 | 505
  readonly why: string
}

/** Everything about a request that two readers could understand differently is refused here. */
export function readRequest(req: IncomingMessage, scheme: 'http' | 'https'): Asked | Refused {
  const raw = req.rawHeaders
  const id = requestId(valuesOf(raw, 'x-request-id'))
  const no = (status: Refused['status'], why: string): Refused => ({ id, status, why })

  if (req.httpVersionMajor !== 1) return no(505, 'HTTP/1.1 is spoken here.')
  if (req.method === 'CONNECT' || req.method === 'TRACE')
    return no(405, `${req.method} is not answered here.`)

  const lengths = valuesOf(raw, 'content-length')
  const codings = valuesOf(raw, 'transfer-encoding')
  if (lengths.length > 1) return no(400, 'The request has more than one length.')
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!)) return no(400, 'The length is no number.')
  if (codings.length > 0 && lengths.length > 0) return no(400, 'The request has a length and a coding.')
  if (codings.length > 1 || (codings[0] ?? 'chunked').toLowerCase() !== 'chunked') {
    return no(400, 'The transfer coding is not known.')
  }
  if (codings.length > 0 && req.httpVersionMinor === 0) return no(400, 'HTTP/1.0 has no transfer codings.')

  const expected = valuesOf(raw, 'expect')
  const expectsContinue = expected[0]?.toLowerCase() === '100-continue'
  if (expected.length > 1 || (expected.length === 1 && !expectsContinue)) {
    return no(417, 'What the request expects is not known.')
  }

  const hosts = valuesOf(raw, 'host')
  if (hosts.length > 1) return no(400, 'The request names more than one host.')
  const target = readTarget(req.url ?? '', req.method)
  if (!target) return no(400, 'The request target cannot be read.')
  const host = target.authority ?? hosts[0] ?? ''
  const hostname = hostnameOf(host)
  if (hostname === undefined || (hosts.length === 1 && hostnameOf(hosts[0]!) === undefined)) {
    return no(400, 'The request names no host.')
  }

  const body =
    codings.length > 0 ? 'chunked' : lengths.length > 0 && Number(lengths[0]) > 0 ? 'counted' : 'none'
  const fields = ['Host', host, ...clientFields(raw)]
  if (body === 'chunked') fields.push('Transfer-Encoding', 'chunked')
  else if (lengths[0] !== undefined) fields.push('Content-Length', lengths[0])
  fields.push(...forwardedFields(req.socket, { host, scheme }), 'X-Request-Id', id)
  const spare = {
    idempotent: idempotent.has(req.method ?? ''),
    expectsContinue: expectsContinue && body !== 'none',
  }
  return { id, hostname, path: target.path, fields, body, ...spare }
}

/** Only these make a WebSocket (RFC 6455 4.1); every other upgrade is ignored, as RFC 9110 7.8 allows. */
export function isWebSocket(req: IncomingMessage): boolean {
  return (
    req.method === 'GET' &&
    req.httpVersion === '1.1' &&
    req.headers.upgrade?.trim().toLowerCase() === 'websocket' &&
    req.headers['transfer-encoding'] === undefined &&
    (req.headers['content-length'] ?? '0') === '0'
  )
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** A client's own id is kept when it is short and plain, so that a trace across systems holds together. */
function requestId(given: readonly string[]): string {
  return given.length === 1 && /^[\w.:+/=@-]{1,128}$/.test(given[0]!) ? given[0]! : randomUUID()
}

interface Target {
  readonly authority: string | undefined
  readonly path: string
}

/** The absolute form (RFC 9112 3.2.2) carries the host, and wins over Host. */
function readTarget(url: string, method: string | undefined): Target | undefined {
  if (!/^[\x21-\xff]+$/.test(url)) return undefined
  if (url.startsWith('/')) return { authority: undefined, path: url }
  if (url === '*') return method === 'OPTIONS' ? { authority: undefined, path: '*' } : undefined
  const [, authority, rest] = /^https?:\/\/([^/?#]+)(.*)$/is.exec(url) ?? []
  if (authority === undefined || rest === undefined) return undefined
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` }
}

function forwardedFields(socket: Socket, { host, scheme }: { host: string; scheme: string }): string[] {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
  return [
    'X-Forwarded-For',
    address,
    'X-Forwarded-Proto',
    scheme,
    'X-Forwarded-Host',
    host,
    'X-Forwarded-Port',
    String(socket.localPort ?? ''),
  ]
}
