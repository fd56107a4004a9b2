import type { Random } from '../chaos.d/random.ts'
import { type Case, chunks, type Draft, smuggled } from './draft.ts'

type Mutation = (draft: Draft, spoil: { readonly each: Case; readonly random: Random }) => Draft

/** Ways to say a request so that two readers may hear two things, by name. */
export const mutations: Readonly<Record<string, Mutation>> = {
  // Lengths and codings --------------------------------------------------------------------------------------
  'a length and chunks': (draft, { each, random }) =>
    added(chunked(draft, each, random), random, `Content-Length: ${random.pick([0, 4, 5, 6, 44])}`),
  'chunks and a length that hides a request': (draft, { each }) => ({
    ...withoutFraming(draft, ['Content-Length: 5', 'Transfer-Encoding: chunked']),
    method: 'POST',
    body: `0\r\n\r\n${smuggled(each)}`,
  }),
  'a length that hides a request in chunks': (draft, { each }) => ({
    ...withoutFraming(draft, [`Content-Length: ${5 + smuggled(each).length}`, 'Transfer-Encoding: chunked']),
    method: 'POST',
    body: `0\r\n\r\n${smuggled(each)}`,
  }),
  'a coding spelt oddly': (draft, { each, random }) => {
    const spelt = random.pick(codings)
    return { ...chunked(withoutFraming(draft), each, random), lines: [...withoutFraming(draft).lines, spelt] }
  },
  'a coding spelt oddly beside a length': (draft, { each, random }) => {
    const lines = [random.pick(codings), `Content-Length: ${random.pick([4, 5, 5 + smuggled(each).length])}`]
    if (random.next() < 0.5) lines.reverse()
    return { ...withoutFraming(draft, lines), method: 'POST', body: `0\r\n\r\n${smuggled(each)}` }
  },
  'two codings': (draft, { each, random }) => ({
    ...withoutFraming(draft, [random.pick(codings), 'Transfer-Encoding: chunked']),
    method: 'POST',
    body: chunks(smuggled(each), random),
  }),
  'a length spelt oddly': (draft, { each, random }) => {
    const text = smuggled(each)
    const spelt = random.pick(lengths).replaceAll('N', String(text.length))
    return { ...withoutFraming(draft, [spelt]), method: 'POST', body: text }
  },
  'two lengths': (draft, { each, random }) => {
    const text = smuggled(each)
    const lines = [`Content-Length: ${text.length}`, `Content-Length: ${random.pick([0, 1, text.length])}`]
    if (random.next() < 0.5) lines.reverse()
    return { ...withoutFraming(draft, lines), method: 'POST', body: text }
  },
  'a length that is too short': (draft, { each }) => ({
    ...withoutFraming(draft, ['Content-Length: 0']),
    method: 'POST',
    body: smuggled(each),
  }),
  'a body that nobody announced': (draft, { each, random }) => ({
    ...withoutFraming(draft),
    method: random.pick(['GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS']),
    body: smuggled(each),
  }),
  'a length that is too long': (draft, { random }) => ({
    ...withoutFraming(draft, [`Content-Length: ${draft.body.length + random.pick([1, 10, 5000])}`]),
    method: 'POST',
  }),
  'a coding in HTTP/1.0': (draft, { each, random }) => ({
    ...chunked(withoutFraming(draft, ['Connection: keep-alive', 'Transfer-Encoding: chunked']), each, random),
    version: 'HTTP/1.0',
  }),
  'a length taken away by Connection': (draft, { each, random }) =>
    added(
      {
        ...withoutFraming(draft, [`Content-Length: ${smuggled(each).length}`]),
        method: 'POST',
        body: smuggled(each),
      },
      random,
      `Connection: ${random.pick(['content-length', 'keep-alive, Content-Length', 'close, content-length'])}`,
    ),
  'a coding taken away by Connection': (draft, { each, random }) =>
    added(chunked(draft, each, random), random, 'Connection: keep-alive, Transfer-Encoding'),

  // Chunks ---------------------------------------------------------------------------------------------------
  'chunk extensions': (draft, { each, random }) => {
    const text = smuggled(each)
    const odd = random.pick(extensions)
    return {
      ...chunked(draft, each, random),
      body: `${text.length.toString(16)}${odd}\r\n${text}\r\n0${random.pick(['', odd])}\r\n\r\n`,
    }
  },
  'the size of a chunk spelt oddly': (draft, { each, random }) => {
    const text = smuggled(each)
    const spelt = random.pick(sizes).replaceAll('N', text.length.toString(16))
    return { ...chunked(draft, each, random), body: `${spelt}\r\n${text}\r\n0\r\n\r\n` }
  },
  'a last chunk spelt oddly': (draft, { each, random }) => ({
    ...chunked(draft, each, random),
    body: `2\r\nhi\r\n${random.pick(['00', '0000000000000000000', '0x0', '-0', '0 ', ' 0', '0\t', '', '0;', '0\n', '0\r\r'])}\r\n\r\n`,
  }),
  'chunk ends that are not': (draft, { each, random }) => {
    const end = random.pick(['\n', '\r', '', '\r\n\r\n', '\n\r', 'X\r\n', '\r\0', ' \r\n'])
    const text = smuggled(each)
    return {
      ...chunked(draft, each, random),
      body: `${text.length.toString(16)}\r\n${text}${end}0\r\n\r\n`,
    }
  },
  'chunk heads that end oddly': (draft, { each, random }) => {
    const end = random.pick(['\n', '\r', '\r\r\n', ';\n', ';a\nb\r\n', ';a="\r\n"\r\n', '\0\r\n', '\n\n'])
    const text = smuggled(each)
    return { ...chunked(draft, each, random), body: `${text.length.toString(16)}${end}${text}\r\n0\r\n\r\n` }
  },
  trailers: (draft, { each, random }) => {
    const trailer = random.pick(trailers).replaceAll('HOST', each.host).replaceAll('ID', String(each.id))
    return { ...chunked(draft, each, random), body: `2\r\nhi\r\n0\r\n${trailer}\r\n\r\n` }
  },
  'a body that breaks off': (draft, { each, random }) => {
    const whole = chunked(draft, each, random)
    return { ...whole, body: whole.body.slice(0, random.between(0, whole.body.length - 1)) }
  },

  // Lines ----------------------------------------------------------------------------------------------------
  'a folded line': (draft, { each, random }) =>
    added(
      draft,
      random,
      `X-Fold: a${random.pick(['\r\n', '\n', '\r'])}${random.pick([' ', '\t'])}X-Evil: ${each.id}`,
    ),
  'a folded framing line': (draft, { each, random }) => ({
    ...withoutFraming(draft, [
      random.pick([
        'Transfer-Encoding:\r\n chunked',
        'Transfer-Encoding: x\r\n\tchunked',
        'Content-Length:\r\n 5',
      ]),
    ]),
    method: 'POST',
    body: `0\r\n\r\n${smuggled(each)}`,
  }),
  'line feeds alone': (draft, { random }) => ({ ...draft, eol: random.pick(['\n', '\n\r', '\r', '\r\r\n']) }),
  'one line feed alone': (draft, { random }) => added(draft, random, 'X-A: b\nX-Evil: c'),
  'a carriage return alone': (draft, { random }) =>
    added(draft, random, random.pick(['X-A: b\rX-Evil: c', 'X-A: b\r', 'X-A\r: b', '\rX-Evil: b'])),
  'an odd byte': (draft, { random }) => {
    const odd = String.fromCharCode(
      random.pick([0, 1, 7, 8, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0xa0, 0xff]),
    )
    const line = random.pick([
      `X-A: b${odd}c`,
      `X-${odd}A: b`,
      `${odd}X-A: b`,
      `X-A:${odd}b`,
      `X-A: b${odd}`,
      `X-A${odd}: b`,
    ])
    return added(draft, random, line)
  },
  'space around a name': (draft, { random }) =>
    spelt(draft, random, line => {
      const [name, ...rest] = line.split(':') as [string, ...string[]]
      const space = random.pick([' ', '\t', '  ', '\x0b', '\xa0'])
      return random.pick([`${name}${space}:${rest.join(':')}`, `${space}${name}:${rest.join(':')}`])
    }),
  'space before the first field': (draft, { random }) => ({
    ...draft,
    lines: [random.pick([' ', '\t', ' X-Evil: 1', '\tTransfer-Encoding: chunked', ': x']), ...draft.lines],
  }),
  'a line that is no field': (draft, { random }) =>
    added(
      draft,
      random,
      random.pick([
        'X-Evil',
        ': b',
        ':',
        '=',
        'GET / HTTP/1.1',
        'a b: c',
        'X(A): b',
        'X[A]: b',
        '"X": b',
        'X-\u00e9: b',
      ]),
    ),
  'an early end of the head': (draft, { each, random }) =>
    added(draft, random, random.pick(['\r\n', '\n', '\r', '\n\n', '\r\n\0', `\n${smuggled(each)}`])),
  'empty lines before': (draft, { random }) => ({
    ...draft,
    before: random.pick(['\r\n', '\r\n\r\n', '\n', '\r', ' ', '\t\r\n', '\0', '\r\n \r\n', '\xef\xbb\xbf']),
  }),
  'names in other letters': (draft, { random }) =>
    spelt(draft, random, line => random.pick([line.toUpperCase(), line.toLowerCase(), swapped(line)])),
  'a line twice': (draft, { random }) => {
    const line = random.pick(draft.lines)
    return { ...draft, lines: [...draft.lines, line] }
  },
  'names for variables': (draft, { each, random }) =>
    added(
      draft,
      random,
      random.pick([
        'Content_Length: 0',
        'Content.Length: 0',
        'Transfer_Encoding: chunked',
        'Transfer.Encoding: chunked',
        'X_Forwarded_For: 6.6.6.6',
        'X_FORWARDED_PROTO: https',
        `Host_: ${each.host}`,
        'Proxy: http://evil.test',
      ]),
    ),
  'a very long line': (draft, { random }) =>
    added(draft, random, `X-Long: ${'a'.repeat(random.pick([4_000, 8_190, 16_000, 40_000]))}`),
  'very many lines': (draft, { random }) => ({
    ...draft,
    lines: [
      ...draft.lines,
      ...Array.from({ length: random.pick([90, 120, 300, 1200]) }, (_, at) => `X-${at}: ${at}`),
    ],
  }),

  // Request lines --------------------------------------------------------------------------------------------
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

  // Hosts ----------------------------------------------------------------------------------------------------
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

  // Connections ----------------------------------------------------------------------------------------------
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

  // Anywhere -------------------------------------------------------------------------------------------------
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

/** Any byte may go, come or turn into another. */
export function scratched(bytes: string, random: Random): string {
  const at = Math.floor(random.between(0, bytes.length))
  const odd = random.pick([
    '\0',
    '\n',
    '\r',
    '\r\n',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '0',
    '1',
    'a',
    '\x7f',
    '\xff',
    '\x0b',
    '_',
    '-',
  ])
  return random.pick([
    bytes.slice(0, at) + odd + bytes.slice(at),
    bytes.slice(0, at) + odd + bytes.slice(at + 1),
    bytes.slice(0, at) + bytes.slice(at + 1),
  ])
}

function added(draft: Draft, random: Random, line: string): Draft {
  const at = Math.floor(random.between(0, draft.lines.length + 1))
  return { ...draft, lines: [...draft.lines.slice(0, at), line, ...draft.lines.slice(at)] }
}

function spelt(draft: Draft, random: Random, change: (line: string) => string): Draft {
  const chosen = Math.floor(random.between(0, draft.lines.length))
  return { ...draft, lines: draft.lines.map((line, at) => (at === chosen ? change(line) : line)) }
}

function withoutFraming(draft: Draft, more: readonly string[] = []): Draft {
  const lines = draft.lines.filter(line => !/^(?:content-length|transfer-encoding)\s*:/i.test(line))
  return {
    ...draft,
    version: draft.version === 'HTTP/1.0' ? 'HTTP/1.1' : draft.version,
    lines: [...lines, ...more],
  }
}

function chunked(draft: Draft, each: Case, random: Random): Draft {
  const text = random.pick(['hello', smuggled(each)])
  const bare = withoutFraming(draft, ['Transfer-Encoding: chunked'])
  return {
    ...bare,
    method: random.pick(['POST', 'PUT', 'DELETE', 'OPTIONS', 'GET']),
    body: chunks(text, random),
  }
}

function swapped(line: string): string {
  return line.replace(/[a-z]/gi, letter => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase()))
}

const around = [
  '\t',
  '\x0b',
  '\x0c',
  '\0',
  '\x01',
  '\x1f',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
  '"',
  "'",
  ',',
  ';',
  '\n',
  '\r',
  '\\',
  '=',
]

const codings: readonly string[] = [
  ...['chunked', 'Chunked', 'CHUNKED', 'cHuNkEd'].map(word => `Transfer-Encoding: ${word}`),
  ...['xchunked', 'chunkedx', 'chunk', 'chunked\u0000', 'identity', 'gzip', 'x', '', 'none', 'compress'].map(
    word => `Transfer-Encoding: ${word}`,
  ),
  ...[
    'gzip, chunked',
    'chunked, gzip',
    'identity, chunked',
    'chunked, identity',
    'chunked, chunked',
    'chunked,',
    ',chunked',
    ' , chunked , ',
    'chunked;q=1',
    'chunked;a',
    'chunked x',
    'x chunked',
    '[chunked]',
  ].map(list => `Transfer-Encoding: ${list}`),
  ...around.flatMap(odd => [
    `Transfer-Encoding: ${odd}chunked`,
    `Transfer-Encoding: chunked${odd}`,
    `Transfer-Encoding:${odd}chunked`,
    `Transfer-Encoding${odd}: chunked`,
    `${odd}Transfer-Encoding: chunked`,
    `Transfer-Encoding:${odd} chunked`,
  ]),
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t:\tchunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:      chunked     ',
  'TRANSFER-ENCODING: chunked',
  'transfer-encoding: chunked',
  'tRANSFER-eNCODING: chunked',
  'Transfer_Encoding: chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding chunked',
  'Transfer-\r\nEncoding: chunked',
  'X: x\r\n\r\nTransfer-Encoding: chunked',
  'X: x\rTransfer-Encoding: chunked',
  'X: x\nTransfer-Encoding: chunked',
  'Transfer-Encoding\r\n : chunked',
  'Transfer-Encoding: chunked\r\n x',
  'Transfer-Encoding:\r\n chunked',
  'Content-Encoding: chunked',
  'TE: chunked',
]

const lengths: readonly string[] = [
  ...[
    '+N',
    '-N',
    '-1',
    '0xN',
    '0N',
    '00000000000000000000N',
    'N.0',
    'N,',
    ',N',
    'N, N',
    'N,0',
    '0, N',
    'N N',
    '"N"',
    'N;',
    'Ne0',
    '1e1',
    '',
    '0',
    '\u00b2',
    'N\x0b',
    '\x0bN',
    'N\0',
    '\0N',
    '99999999999999999999',
    '18446744073709551616',
    '4294967296',
    '9007199254740993',
    'NaN',
    '٣',
  ].map(value => `Content-Length: ${value}`),
  'Content-Length : N',
  'Content-Length\t: N',
  ' Content-Length: N',
  'Content-Length:N',
  'Content-Length:\tN\t',
  'CONTENT-LENGTH: N',
  'Content_Length: N',
  'Content Length: N',
  'Content-Length: N\r\n 0',
  'Content-Length:\r\n N',
  'X: x\nContent-Length: N',
  'X: x\rContent-Length: N',
  'Content-\nLength: N',
]

const extensions: readonly string[] = [
  ...[
    ';a',
    ';a=b',
    ';a="b"',
    ' ;a',
    '\t;a',
    ';',
    ';;',
    '; a = b',
    ';a="\\""',
    ';a="',
    ';\x7f',
    ';\0',
    ';\r',
    ';\n',
    ';a\nb',
    ';a\rb',
    ';\xff',
    ' a',
    ';0\r\n\r\n',
  ],
  `;${'a'.repeat(5_000)}`,
  `;${'a'.repeat(20_000)}`,
]

const sizes: readonly string[] = [
  ...[
    '0xN',
    '+N',
    '-N',
    ' N',
    'N ',
    '\tN',
    'N\t',
    '0N',
    '00000000N',
    '00000000000000000000N',
    'N.',
    'N,',
    'N_',
    '_N',
    'N\0',
    '\0N',
    'N\x0b',
    '#N',
    '%N',
    'Nh',
    'Ng',
    '',
    '-1',
    'ffffffffffffffff',
    '10000000000000000',
    '100000000000000N',
    'fffffffffffffffffff',
    '80000000',
    'N N',
    '"N"',
    '\u00b2',
    'N\r',
  ],
  `${'0'.repeat(5_000)}N`,
]

const trailers: readonly string[] = [
  'X-Sum: 1',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Host: evil.test',
  'X-Forwarded-For: 6.6.6.6',
  'Connection: close',
  'X-Sum: 1\r\n folded',
  'X-Sum: 1\nX-Evil: 2',
  'X-Sum: 1\rX-Evil: 2',
  'X-Sum : 1',
  'X-Sum',
  ': 1',
  'X-Sum: \0',
  'GET /ID/smuggled HTTP/1.1\r\nHost: HOST',
  '\nGET /ID/smuggled HTTP/1.1\r\nHost: HOST',
  `X-Long: ${'a'.repeat(40_000)}`,
  'Authorization: Basic eA==',
  '__proto__: x',
]

const targets: readonly string[] = [
  ...[
    '/ID/first?',
    '/ID/first?a=b&c',
    '/ID/first#x',
    '/ID/first?a#b',
    '//ID/first',
    '/./ID/../ID/first',
    '/ID/first/..',
    '\\ID\\first',
    '/ID/first\\',
    '/ID/%2e%2e/first',
    '/ID/%00',
    '/ID/%',
    '/ID/%zz',
    '/ID/first;a=b',
    '/ID/{}|^`"<>',
    '/ID/\xc3\xa9',
    '/ID/\xff',
    '/ID/\x80',
    '/ID/\x7f',
    '/ID/\0',
    '/ID/\x0b',
    'ID/first',
    '?ID',
    '',
    '/ID/:80',
    '@ID',
    '/ID/first,/ID/second',
  ],
  ...[
    'http://HOST/ID/first',
    'http://HOST?ID',
    'HTTP://HOST/ID/first',
    'http://HOST:80/ID/first',
    'http://HOST:/ID/first',
    'http://user@HOST/ID/first',
    'http://HOST#/ID/first',
    'http:///ID/first',
    'http://HOST\\ID/first',
    'http://HOST\\@evil.test/ID/first',
    'http://evil.test\\@HOST/ID/first',
    'http://HOST:99999/ID/first',
    'http://HOST,evil.test/ID/first',
    'http://HOST /ID/first',
    'http://[::1]/ID/first',
    'HOST/ID/first',
    'HOST:443',
    '*',
    'unix:/ID/first',
    'file:///ID/first',
    'http://HOST%00/ID/first',
    'http://HOST%2f/ID/first',
  ],
  `/ID/${'a'.repeat(8_000)}`,
  `/ID/${'a'.repeat(33_000)}`,
]

const hosts: readonly string[] = [
  ...[
    'HOST',
    'evil.test',
    'HOST:80',
    'HOST:',
    'HOST:0',
    'HOST:99999',
    'HOST:x',
    'HOST.',
    'HOST..',
    '.HOST',
    'HOST, evil.test',
    'HOST evil.test',
    'HOST\tevil.test',
    'HOST,HOST',
    'user@HOST',
    'HOST@evil.test',
    'evil.test@HOST',
    'HOST/path',
    'HOST#evil',
    'HOST?evil',
    'HOST\\evil.test',
    '',
    ' ',
    '[HOST]',
    '[::1]',
    '[::1',
    '127.0.0.1',
    '0x7f.1',
    'localhost',
    '\0HOST',
    'HOST\0',
    'HOST\xff',
    '\xc3\xa9.test',
    '"HOST"',
    "HOST'",
    'http://HOST',
    'HOST:80:80',
    'HOST%00',
    'HO%53T',
    '*.HOST',
    '*',
    '_',
    '-',
    'HOST;',
    `${'a.'.repeat(150)}HOST`,
  ],
]
