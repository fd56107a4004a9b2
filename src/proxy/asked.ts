import { clientLines, listed } from './fields.ts'
import { hostnameOf } from './hostname.ts'
import { openIds } from './ids.ts'
import type { Trust } from './trust.ts'
import type { Visitor } from './visitor.ts'

/** A request that may be forwarded, and how. */
export interface Asked {
  readonly id: string
  readonly hostname: string
  /** The request target's bytes, in origin form or `*`. */
  readonly path: string
  /** Where the request came from first: the peer, or what trusted proxies say. */
  readonly client: string
  readonly scheme: 'http' | 'https'
  /** Fields for the upstream, each with its line's end, but for those of one connection. */
  readonly lines: string
  readonly body: 'none' | 'chunked' | 'counted'
  /** Of a counted body; 0 where there is none, undefined where nobody knows. */
  readonly length: number | undefined
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

/** Everything about a request that two readers could understand differently is refused here. One rulebook for all versions of HTTP. */
export function readRequest(visitor: Visitor, trust: Trust): Asked | Refused {
  const said = listed(visitor.fields)
  const id = requestId(said.requestIds)
  const no = (status: Refused['status'], why: string): Refused => ({ id, status, why })
  const { method, version } = visitor

  if (version === 'unknown') return no(505, 'HTTP/1.1 is spoken here.')
  if (method === 'CONNECT' || method === 'TRACE') return no(405, `${method} is not answered here.`)
  const { lengths, codings, expected, hosts } = said
  if (lengths.length > 1) return no(400, 'The request has more than one length.')
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!)) return no(400, 'The length is no number.')
  if (codings.length > 0) {
    if (version === '2.0') return no(400, 'HTTP/2 has no transfer codings.')
    if (lengths.length > 0) return no(400, 'The request has a length and a coding.')
    if (codings.length > 1 || codings[0]!.toLowerCase() !== 'chunked') {
      return no(400, 'The transfer coding is not known.')
    }
    if (version === '1.0') return no(400, 'HTTP/1.0 has no transfer codings.')
  }

  const expectsContinue = expected.length === 1 && expected[0]!.toLowerCase() === '100-continue'
  if (expected.length > 0 && !expectsContinue) return no(417, 'What the request expects is not known.')

  if (hosts.length > 1) return no(400, 'The request names more than one host.')
  const target = readTarget(visitor.target, method)
  // HTTP/2 says its authority in a field of its own, and nowhere else.
  if (!target || (version === '2.0' && target.authority !== undefined))
    return no(400, 'The request target cannot be read.')
  const host = target.authority ?? visitor.authority ?? hosts[0] ?? ''
  const hostname = hostnameOf(host)
  if (hostname === undefined) return no(400, 'The request names no host.')
  if (hosts.length === 1 && hosts[0] !== host) {
    const other = hostnameOf(hosts[0]!)
    if (other === undefined) return no(400, 'The request names no host.')
    if (version === '2.0' && other !== hostname) return no(400, 'The request names more than one host.')
  }

  const length = lengths[0] === undefined ? undefined : Number(lengths[0])
  const body = bodyOf(visitor, length, codings.length > 0)
  const { client, scheme, chain, port } = trust(visitor, said.hops)
  const lines =
    `Host: ${host}\r\n${clientLines(visitor.fields, said.named)}` +
    (lengths.length === 0 ? '' : `Content-Length: ${lengths[0]}\r\n`) +
    `X-Forwarded-For: ${chain}\r\nX-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Host: ${host}\r\n` +
    `X-Forwarded-Port: ${port}\r\nX-Request-Id: ${id}\r\n`
  return {
    id,
    hostname,
    path: target.path,
    client,
    scheme,
    lines,
    body,
    length: body === 'none' ? 0 : length,
    expectsContinue: expectsContinue && body !== 'none',
    idempotent: method === 'GET' || idempotent.has(method),
  }
}

function bodyOf(visitor: Visitor, length: number | undefined, chunked: boolean): Asked['body'] {
  if (chunked) return 'chunked'
  if (length !== undefined) return length > 0 ? 'counted' : 'none'
  // A body of HTTP/2 needs neither; that there is none is said with the head.
  if (visitor.version !== '2.0') return 'none'
  const { body } = visitor
  return body.readableEnded || (body as { endAfterHeaders?: boolean }).endAfterHeaders ? 'none' : 'chunked'
}

const idempotent: ReadonlySet<string> = new Set(['HEAD', 'OPTIONS', 'PUT', 'DELETE'])

const newId = openIds()

/** A client's own id is kept when it is short and plain, so that a trace across systems holds together. */
function requestId(given: readonly string[]): string {
  return given.length === 1 && /^[\w.:+/=@-]{1,128}$/.test(given[0]!) ? given[0]! : newId()
}

interface Target {
  readonly authority: string | undefined
  readonly path: string
}

/** The absolute form (RFC 9112 3.2.2) carries the host, and wins over Host. */
function readTarget(url: string, method: string): Target | undefined {
  // A fragment is the client's own: one reader would take it for a part of the path, another would not (RFC 9112 3.2, RFC 3986 3.5).
  if (!/^[\x21\x22\x24-\x7e\x80-\xff]+$/.test(url)) return undefined
  if (url.charCodeAt(0) === 0x2f) return { authority: undefined, path: url }
  if (url === '*') return method === 'OPTIONS' ? { authority: undefined, path: '*' } : undefined
  const [, authority, rest] = /^https?:\/\/([^/?]+)(.*)$/is.exec(url) ?? []
  if (authority === undefined || rest === undefined) return undefined
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` }
}
