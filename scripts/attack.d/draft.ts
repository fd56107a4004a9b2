import type { Random } from '../chaos.d/random.ts'

/** A request before it is bytes, so that it can be spoilt at each of its joints. */
export interface Draft {
  readonly method: string
  readonly target: string
  readonly version: string
  /** Each a line without its end. */
  readonly lines: readonly string[]
  readonly eol: string
  /** As it is sent, chunks included. */
  readonly body: string
  /** Comes before the request line. */
  readonly before: string
}

/** What a case is about: its own numbers in every target, so that nothing that is said elsewhere can be mistaken for it. */
export interface Case {
  readonly id: number
  readonly host: string
}

export function bytesOf({ before, method, target, version, lines, eol, body }: Draft): string {
  return `${before}${[`${method} ${target} ${version}`, ...lines, '', ''].join(eol)}${body}`
}

const body = (id: number) => `body of ${id}`

/** A whole request that must never be one: it travels in bodies, chunks and values of others. */
export const smuggled = ({ id, host }: Case) =>
  `GET /${id}/smuggled HTTP/1.1\r\nHost: ${host}\r\nX-Evil: ${id}\r\n\r\n`

/** As an honest client may send it. */
export function honest(each: Case, random: Random): Draft {
  const lines = [`Host: ${each.host}`, `User-Agent: attack/${each.id}`, 'Accept: */*']
  const plain = { target: `/${each.id}/first`, version: 'HTTP/1.1', eol: '\r\n', before: '' }
  const kind = random.pick(['none', 'none', 'counted', 'chunked', 'counted', 'chunked', 'old'] as const)
  const text = random.pick([body(each.id), smuggled(each), ''])
  switch (kind) {
    case 'none':
      return { ...plain, method: random.pick(['GET', 'GET', 'HEAD', 'OPTIONS', 'DELETE']), lines, body: '' }
    case 'counted':
      return {
        ...plain,
        method: random.pick(['POST', 'PUT', 'PATCH', 'GET', 'DELETE', 'OPTIONS']),
        lines: [...lines, `Content-Length: ${text.length}`],
        body: text,
      }
    case 'chunked':
      return {
        ...plain,
        method: random.pick(['POST', 'PUT', 'PATCH', 'GET', 'DELETE', 'OPTIONS']),
        lines: [...lines, 'Transfer-Encoding: chunked'],
        body: chunks(text, random),
      }
    case 'old':
      return {
        ...plain,
        method: 'POST',
        version: 'HTTP/1.0',
        lines: [...lines, 'Connection: keep-alive', `Content-Length: ${text.length}`],
        body: text,
      }
  }
}

export function chunks(text: string, random: Random): string {
  const cut = Math.floor(random.between(0, text.length))
  const parts = [text.slice(0, cut), text.slice(cut)].filter(part => part !== '')
  return `${parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
}
