import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'

import { type Random, randomOf } from '../chaos.d/random.ts'
import { chunks } from './draft.ts'
import type { Ground } from './ground.ts'
import { scratched } from './mutations.ts'
import { readAnswers } from './reader.ts'
import { codings, extensions, lengths, sizes, trailers } from './spellings.ts'

/** What a mad app says to one request, and how its connection goes on. */
export interface Saying {
  readonly method: string
  readonly spoilt: readonly string[]
  readonly pieces: readonly string[]
  readonly after: 'keeps' | 'ends' | 'resets'
}

interface Draft {
  readonly first: string
  readonly lines: readonly string[]
  readonly eol: string
  readonly body: string
  /** Comes before the answer. */
  readonly before: string
}

type Mutation = (draft: Draft, random: Random) => Draft

const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: 1\r\n\r\nevil'

const framed = (draft: Draft, lines: readonly string[], body: string): Draft => ({
  ...draft,
  lines: [...draft.lines.filter(line => !/^(content-length|transfer-encoding)/i.test(line)), ...lines],
  body,
})

const inChunks = ['Transfer-Encoding: chunked']

const mutations: Readonly<Record<string, Mutation>> = {
  'nothing at all': draft => draft,
  'a status line spelt oddly': (draft, random) => ({
    ...draft,
    first: random.pick([
      'HTTP/1.1 200',
      'HTTP/1.1 200 ',
      'HTTP/1.0 200 OK',
      'HTTP/2 200',
      'HTTP/1.1 099 X',
      'HTTP/1.1 1000 X',
      'HTTP/1.1 2OO OK',
      'http/1.1 200 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1\t200 OK',
      'HTTP/1.1 200\tOK',
      ' HTTP/1.1 200 OK',
      'ICY 200 OK',
      'HTTP/1.1 200 O\0K',
      'HTTP/1.1 200 \xe9',
      'HTTP/1.1 -200 OK',
      '200 OK',
      '',
    ]),
  }),
  'another status': (draft, random) => ({
    ...draft,
    first: `HTTP/1.1 ${random.pick([100, 101, 102, 103, 199, 204, 205, 206, 304, 400, 407, 418, 500, 599, 600, 999])} X`,
  }),
  'interim answers': (draft, random) => ({
    ...draft,
    before: random.pick([
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: \0\r\n\r\n',
      'HTTP/1.1 102 X\r\nContent-Length: 3\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n'.repeat(40),
      'HTTP/1.1 100 Continue\r\n',
    ]),
  }),
  'a length and chunks': (draft, random) =>
    framed(
      draft,
      random.pick([
        ['Content-Length: 3', ...inChunks],
        [...inChunks, 'Content-Length: 3'],
      ]),
      `0\r\n\r\n${evil}`,
    ),
  'a coding spelt oddly': (draft, random) =>
    framed(draft, [random.pick(codings)], chunks('some text', random)),
  'a length spelt oddly': (draft, random) =>
    framed(draft, [random.pick(lengths).replaceAll('N', String(evil.length))], evil),
  'two lengths': (draft, random) =>
    framed(draft, [`Content-Length: ${random.pick([0, 4, 9])}`, 'Content-Length: 9'], 'some text'),
  'a length that is too long': draft =>
    framed(draft, [`Content-Length: ${draft.body.length + 5}`], draft.body),
  'a second answer': (draft, random) => ({
    ...draft,
    body: `${draft.body}${random.pick([evil, '\r\n', 'x', '\0'])}`,
  }),
  'no framing': draft => framed(draft, [], draft.body),
  'chunk extensions': (draft, random) =>
    framed(draft, inChunks, `9${random.pick(extensions)}\r\nsome text\r\n0\r\n\r\n`),
  'the size of a chunk spelt oddly': (draft, random) =>
    framed(draft, inChunks, `${random.pick(sizes).replaceAll('N', '9')}\r\nsome text\r\n0\r\n\r\n`),
  'chunk ends that are not': (draft, random) =>
    framed(draft, inChunks, `9\r\nsome text${random.pick(['\n', '\r', '', 'x\r\n', '\r\n\r\n'])}0\r\n\r\n`),
  trailers: (draft, random) =>
    framed(
      draft,
      [...inChunks, ...random.pick([[], ['Trailer: X-Sum']])],
      `9\r\nsome text\r\n0\r\n${random.pick(trailers)}\r\n\r\n`,
    ),
  'chunks that break off': (draft, random) => {
    const whole = chunks('some text', random)
    return framed(draft, inChunks, whole.slice(0, random.between(0, whole.length - 1)))
  },
  'a field spelt oddly': (draft, random) =>
    added(
      draft,
      random,
      random.pick([
        'X-A: b\r\n X-Evil: 1',
        'X-A: b\nX-Evil: 1',
        'X-A: b\rX-Evil: 1',
        'X-A : b',
        ' X-A: b',
        'X-A',
        ': b',
        'X A: b',
        'X-A: \0',
        'X-A: \x7f',
        'X-A: \xff',
        'X-\xe9: b',
        `X-A: ${'a'.repeat(40_000)}`,
        'X-A:',
        '__proto__: 1',
        'X-Request-Id: 1\r\nX-Request-Id: 2',
        'Set-Cookie: a=1\r\nSet-Cookie: b=2',
      ]),
    ),
  'fields of the connection': (draft, random) =>
    added(
      draft,
      random,
      random.pick([
        'Connection: close',
        'Connection: Content-Length, X-Named\r\nX-Named: 1',
        'Connection: Transfer-Encoding',
        'Keep-Alive: timeout=0',
        'Upgrade: websocket\r\nConnection: Upgrade',
        'Proxy-Connection: close',
        'Trailer: Content-Length',
        'TE: trailers',
      ]),
    ),
  'line feeds alone': (draft, random) => ({ ...draft, eol: random.pick(['\n', '\r', '\n\r', '\r\r\n']) }),
  'empty lines before': (draft, random) => ({
    ...draft,
    before: random.pick(['\r\n', '\n', ' ', '\0', 'x\r\n']),
  }),
}

function added(draft: Draft, random: Random, line: string): Draft {
  const at = Math.floor(random.between(0, draft.lines.length + 1))
  return { ...draft, lines: [...draft.lines.slice(0, at), line, ...draft.lines.slice(at)] }
}

/** Saying `id` of a seed is always the same. */
export function saying(id: number, seed: number): Saying {
  const random = randomOf(seed * 1_000_003 + id)
  const names = Object.keys(mutations)
  const spoilt = Array.from({ length: random.pick([1, 1, 1, 2]) }, () => random.pick(names))
  const body = random.pick(['', 'some text', evil, 'a'.repeat(70_000)])
  const chunked = random.next() < 0.4
  const honest: Draft = {
    before: '',
    first: 'HTTP/1.1 200 OK',
    eol: '\r\n',
    lines: [`X-Id: ${id}`, 'Content-Type: x/y', chunked ? inChunks[0]! : `Content-Length: ${body.length}`],
    body: chunked ? chunks(body, random) : body,
  }
  const draft = spoilt.reduce<Draft>((draft, name) => mutations[name]!(draft, random), honest)
  const bytes = latin1(`${draft.before}${[draft.first, ...draft.lines, '', ''].join(draft.eol)}${draft.body}`)
  const scratch = random.next() < 0.2
  const spoken = scratch ? scratched(bytes, random) : bytes
  const method = random.pick(['GET', 'GET', 'GET', 'HEAD', 'POST'])
  // What comes late after a whole answer cannot be told from the next one, by nobody: it comes at once.
  const early = readAnswers(spoken.slice(0, -1), [method], { closed: false }).answers[0]?.whole
  const cuts = early ? [] : [Math.floor(random.between(0, spoken.length))]
  return {
    method,
    spoilt: scratch ? [...spoilt, 'a scratch'] : spoilt,
    pieces: [spoken.slice(0, cuts[0]), ...cuts.map(at => spoken.slice(at))].filter(piece => piece !== ''),
    after: random.pick(['keeps', 'keeps', 'ends', 'resets']),
  }
}

const latin1 = (text: string) =>
  text.replace(/[^\0-\xff]/g, character => Buffer.from(character).toString('latin1'))

/** An app that says to request `/ID/…` what saying ID is. */
export async function openMadApp(ground: Pick<Ground, 'teardown'>, seed: number) {
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    let heard = ''
    let asked = 0
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', chunk => {
      heard += chunk.toString('latin1')
      const id = /^[A-Z]+ \/(\d+)\/ HTTP\/1\.1\r\n[\s\S]*\r\n\r\n/.exec(heard)?.[1]
      if (id === undefined) return
      heard = ''
      const { pieces, after } = saying(Number(id), seed)
      const own = ++asked
      say(socket, pieces, () => {
        // A request that has come meanwhile has an answer of its own.
        if (own === asked) leave(socket, after)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ground.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port }
}

function say(socket: Socket, [piece, ...rest]: readonly string[], done: () => void) {
  if (piece === undefined) return done()
  return socket.write(piece, 'latin1', () => setTimeout(say, 2, socket, rest, done))
}

function leave(socket: Socket, how: Saying['after']) {
  if (how === 'ends') socket.end()
  if (how === 'resets') socket.resetAndDestroy()
}
