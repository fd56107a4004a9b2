import { smuggled } from '../draft.ts'
import { added, type Mutation, spelt, swapped, withoutFraming } from './changes.ts'

/** Ways to say the lines of a head. */
export const lines: Readonly<Record<string, Mutation>> = {
  // Lines.
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
}
