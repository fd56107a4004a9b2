import { readRequest } from '../../src/proxy/asked.ts'
import type { Table } from '../../src/proxy/table.ts'
import { trusting } from '../../src/proxy/trust.ts'
import type { Visitor } from '../../src/proxy/visitor.ts'
import type { Redirect } from '../../src/types.ts'
import type { Random } from '../chaos.d/random.ts'

const trust = trusting([])

/** What becomes of a request with this Host field: `refused`, `nobody`, `301 LOCATION`, or `APP PATH`. As the proxy's own parts have it. */
export function fateOf(table: Pick<Table, 'find'>, host: string, target: string): string {
  const visitor = {
    ...{
      version: '1.1',
      scheme: 'http',
      method: 'GET',
      target,
      authority: undefined,
      body: { readableEnded: true },
    },
    fields: ['Host', host],
    peer: { address: '127.0.0.1', port: 1, localPort: 2, tls: undefined },
  } as unknown as Visitor
  const asked = readRequest(visitor, trust)
  if ('why' in asked) return 'refused'
  const site = table.find(asked.hostname)
  if (!site) return 'nobody'
  for (const gate of site.gates) {
    const verdict = gate(asked, visitor)
    if (verdict instanceof Promise) throw new Error('no gate of these routes has to wait')
    if (verdict) return `${verdict.page.status} ${verdict.fields?.[1]}`
  }
  return `${site.route.app} ${asked.path}`
}

/** The same by rules that can be read; `hostname` and `path` as they were meant, undefined where they are none. */
export function plainFate(
  { hostname, path }: { hostname: string | undefined; path: string | undefined },
  find: (hostname: string) => { app: string; redirect: Redirect | undefined } | undefined,
): string {
  if (hostname === undefined || path === undefined) return 'refused'
  const found = find(hostname)
  if (!found) return 'nobody'
  const { app, redirect } = found
  if (!redirect) return `${app} ${path}`
  const { to, status } = redirect
  const written = Buffer.from(path, 'latin1').reduce(
    (all, byte) => all + (byte > 0x7e ? hex(byte) : String.fromCharCode(byte)),
    '',
  )
  if (!to.includes('://')) return `${status} http://${to}${written}`
  return `${status} ${to.split('/').length === 3 ? to + written : to}`
}

const hex = (byte: number) => `%${byte.toString(16).padStart(2, '0')}`

export function redirect(random: Random): Redirect {
  return {
    to: random.pick([
      'else.test',
      'www.else.test:8443',
      'https://else.test',
      'https://else.test/',
      'https://else.test/a?b=c',
    ]),
    status: random.pick([301, 302, 303, 307, 308]),
  }
}

const paths = [
  ...[
    '/',
    '/',
    '/a',
    '/a/b/c',
    '//',
    '//else.test/',
    '/a//b/../c',
    '/..',
    '/../../etc/passwd',
    '/%2e%2e/',
    '/%',
    '/%zz',
  ],
  ...[
    '/?',
    '/?a=b&c',
    '/a?b?c',
    '/a;b=c',
    '/a#b',
    '/@x',
    '/:80',
    '/\\x',
    '/http://else.test/',
    '/\xc3\xbc',
    '/\xff\x80?\xe9',
  ],
  ...['/*', '/~', '/"<>', `/${'a'.repeat(2_000)}`, '/__proto__', '/constructor'],
]

/** A target and the path that it means. In its absolute form it brings a host of its own, which counts in place of the field. */
export function target(random: Random): {
  written: (host: string) => string
  path: string | undefined
  absolute: boolean
} {
  const path = random.pick(paths)
  const form = random.next()
  if (form < 0.03) {
    const written = random.pick([
      '*',
      'a',
      '',
      '/a b',
      '/a\0',
      '/a\tb',
      '/\x7f\n',
      'ftp://x/',
      'http:/a',
      'http://',
      '?a',
    ])
    return { written: () => written, path: undefined, absolute: false }
  }
  if (form < 0.2)
    return {
      written: host => `${random.pick(['http', 'HTTP', 'https'])}://${host}${path}`,
      path,
      absolute: true,
    }
  return { written: () => path, path, absolute: false }
}
