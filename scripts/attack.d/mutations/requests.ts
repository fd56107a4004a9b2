import { smuggled } from '../draft.ts'
import { hosts, targets } from '../targets.ts'
import { added, type Mutation } from './changes.ts'

/** Ways to say what is asked for, of whom, and over which connection. */
export const requests: Readonly<Record<string, Mutation>> = {
  // Request lines.
  'an odd version': (draft, { random }) => ({
    ...draft,
    version: random.pick([
      ...[
        'HTTP/0.9',
        'HTTP/1.2',
        'HTTP/2.0',
        'HTTP/1',
        'HTTP/1.10',
        'HTTP/01.1',
        'http/1.1',
        'HTTP /1.1',
        'HTTP/1.1 ',
      ],
      ...[
        'HTTP/1.1\t',
        'HTTP/ 1.1',
        'HTTPS/1.1',
        'ICY/1.1',
        'HTTP/1,1',
        'HTTP/1.1 HTTP/1.1',
        '',
        'RTSP/1.0',
        'HTTP/3',
      ],
    ]),
  }),
  'HTTP/0.9': (draft, { random }) => ({
    ...draft,
    before: random.pick([
      `GET ${draft.target}\r\n`,
      `GET ${draft.target}\r\n\r\n`,
      `POST ${draft.target} \r\n`,
    ]),
  }),
  'a method that is none': (draft, { random }) => ({
    ...draft,
    method: random.pick([
      ...[
        'get',
        'Get',
        'GOT',
        'G',
        '',
        'GET,POST',
        'GET\0',
        'GE\tT',
        'CONNECT',
        'TRACE',
        'TRACK',
        'PRI',
        'PROPFIND',
      ],
      ...['M-SEARCH', 'PURGE', 'SOURCE', 'GET:', 'GET{}', '\x16\x03\x01', 'QUERY', 'LINK', 'A'.repeat(300)],
    ]),
  }),
  'an odd target': (draft, { each, random }) => ({
    ...draft,
    target: random.pick(targets).replaceAll('ID', String(each.id)).replaceAll('HOST', each.host),
  }),
  'another host in the target': (draft, { each, random }) => ({
    ...draft,
    target: `${random.pick(['http://', 'HTTP://', 'https://', 'ftp://', 'http:', 'http:/', '//', 'ws://'])}${random.pick(hosts).replaceAll('HOST', each.host)}/${each.id}/first`,
  }),
  'spaces in the request line': (draft, { random }) => ({
    ...draft,
    target: random.pick([
      ` ${draft.target}`,
      `${draft.target} `,
      `\t${draft.target}`,
      `${draft.target}\t`,
      `${draft.target} a`,
      `${draft.target}\x0b`,
      `${draft.target}\xa0`,
    ]),
  }),
  'a line within the request line': (draft, { each, random }) => ({
    ...draft,
    target: `${draft.target}${random.pick([' HTTP/1.1\r\nX-Evil: 1\r\nX-A:', ' HTTP/1.1\nX-Evil: 1\nX-A:', '\rX-Evil: 1', `\n${smuggled(each)}`, '%0d%0aX-Evil:1', '\xc4\x8d\xc4\x8aX-Evil:1'])}`,
  }),

  // Hosts.
  'an odd host': (draft, { each, random }) => ({
    ...draft,
    lines: [`Host: ${random.pick(hosts).replaceAll('HOST', each.host)}`, ...draft.lines.slice(1)],
  }),
  'two hosts': (draft, { each, random }) =>
    added(
      draft,
      random,
      `${random.pick(['Host', 'HOST', 'host', 'Host '])}: ${random.pick(hosts).replaceAll('HOST', each.host)}`,
    ),
  'no host': draft => ({ ...draft, lines: draft.lines.slice(1) }),

  // Connections.
  'options of the connection': (draft, { random }) =>
    added(
      draft,
      random,
      `Connection: ${random.pick(['close', 'keep-alive', 'close, keep-alive', 'CLOSE', 'clo\x00se', 'host', 'x-forwarded-for, x-request-id', 'upgrade', ',', '', '"close"', 'te, trailers'])}`,
    ),
  'HTTP/1.0': (draft, { random }) => ({
    ...draft,
    version: 'HTTP/1.0',
    lines: [
      ...draft.lines,
      ...random.pick([
        [],
        ['Connection: keep-alive'],
        ['Connection: Keep-Alive, close'],
        ['Keep-Alive: 300'],
      ]),
    ],
  }),
  expectations: (draft, { random }) =>
    added(
      draft,
      random,
      `Expect: ${random.pick(['100-continue', '100-Continue', '100-continue, x', 'wonders', '', '100-continue ', '100 -continue', '200-ok'])}`,
    ),
  'an upgrade to h2c': (draft, { random }) => ({
    ...draft,
    lines: [
      ...draft.lines,
      `Connection: ${random.pick(['Upgrade, HTTP2-Settings', 'Upgrade', 'HTTP2-Settings', 'keep-alive'])}`,
      `Upgrade: ${random.pick(['h2c', 'H2C', 'h2c, websocket', 'websocket, h2c', 'foo'])}`,
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ],
  }),
  'an upgrade to a WebSocket': (draft, { each, random }) => ({
    ...draft,
    method: random.pick(['GET', 'GET', 'POST', draft.method]),
    lines: [
      ...draft.lines,
      `Connection: ${random.pick(['Upgrade', 'keep-alive, upgrade', 'close'])}`,
      `Upgrade: ${random.pick(['websocket', 'WebSocket', 'websocket ', 'websocket, h2c'])}`,
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Sec-WebSocket-Version: ${random.pick(['13', '777', ''])}`,
    ],
    body: random.pick([draft.body, smuggled(each)]),
  }),
  'a request before it is time': (draft, { each, random }) => ({
    ...draft,
    before: random
      .pick([smuggled(each), `${smuggled(each)}${smuggled(each)}`])
      .replaceAll('X-Evil', 'X-Early'),
  }),

  // Anywhere.
  'a target with an odd byte': (draft, { random }) => ({
    ...draft,
    target: `${draft.target}/${String.fromCharCode(Math.floor(random.between(0, 256)))}x`,
  }),
  'a line shuffled': (draft, { random }) => {
    const [line, ...rest] = [...draft.lines]
    const at = Math.floor(random.between(0, rest.length + 1))
    return { ...draft, lines: [...rest.slice(0, at), line!, ...rest.slice(at)] }
  },
}
