import { chunks, smuggled } from '../draft.ts'
import { codings, extensions, lengths, sizes, trailers } from '../spellings.ts'
import { added, chunked, type Mutation, withoutFraming } from './changes.ts'

/** Ways to say how long a request is. */
export const bodies: Readonly<Record<string, Mutation>> = {
  // Lengths and codings.
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

  // Chunks.
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
}
