import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'

import { type Random, randomOf } from '../chaos.d/random.ts'

export interface HellosAttack {
  readonly port: number
  readonly seed: number
  readonly count: number
  readonly signal: AbortSignal
}

/** What comes in place of a TLS handshake, and a good client now and then. Tells when that one was not served. */
export async function attackHellos({ port, seed, count, signal }: HellosAttack) {
  const counts: Record<string, number> = {}
  const wrong: string[] = []
  let next = 1
  const client = async () => {
    while (next <= count && !signal.aborted) {
      const number = next++
      const told = await greet(port, randomOf(seed * 1_000_003 + number))
      counts[told] = (counts[told] ?? 0) + 1
      if (number % 500 > 0) continue
      const heard = await behave(port).catch((error: Error) => error.message)
      if (heard === 'ok') counts['a good client was served'] = (counts['a good client was served'] ?? 0) + 1
      else wrong.push(`after ${number} a good client got ${heard}`)
    }
  }
  await Promise.all(Array.from({ length: 24 }, client))
  return { counts, wrong }
}

/** Says one of them and leaves in one way or another. */
function greet(port: number, random: Random): Promise<string> {
  const bytes = random.pick([garbage, mutated, mutated, named, named, named, piecemeal])(random)
  const leaves = random.pick(['waits', 'waits', 'ends', 'resets'] as const)
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let told = 'nothing was said'
    const late = setTimeout(() => socket.destroy(), 300)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      if (chunk[0] === 0x16) told = 'a handshake was begun'
      else if (chunk[0] === 0x15) told = 'an alert was said'
      else told = `something else was said: ${chunk.toString('latin1', 0, 20)}`
      if (leaves === 'waits') socket.destroy()
    })
    socket.on('close', () => {
      clearTimeout(late)
      resolve(told)
    })
    socket.write(bytes)
    if (leaves === 'ends') socket.end()
    if (leaves === 'resets') setTimeout(() => socket.resetAndDestroy(), random.between(0, 5))
  })
}

async function behave(port: number): Promise<string> {
  const options = { servername: 'shop.test', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }
  const socket = tls.connect({ port, host: '127.0.0.1', timeout: 10_000, ...options }, () =>
    socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'),
  )
  socket.on('timeout', () => socket.destroy(new Error('nothing for ten seconds')))
  let heard = ''
  socket.on('data', chunk => {
    heard += chunk.toString('latin1')
  })
  await once(socket, 'close')
  return heard.split('\r\n\r\n')[1] ?? JSON.stringify(heard)
}

const bytesOf = (random: Random, length: number) =>
  Buffer.from(Array.from({ length }, () => Math.floor(random.between(0, 256))))

function garbage(random: Random): Buffer {
  const start = random.pick([
    [],
    [0x16],
    [0x16, 3, 1],
    [0x16, 3, 3, 0xff, 0xff],
    [0x80, 0x2e, 1],
    [0x17, 3, 3],
    [0x15, 3, 3],
  ])
  return Buffer.concat([Buffer.from(start), bytesOf(random, Math.floor(random.between(0, 600)))])
}

/** A sound one, but for a few bytes, or its end. */
function mutated(random: Random): Buffer {
  const bytes = hello(random, Buffer.from('shop.test'))
  for (let n = random.pick([0, 1, 1, 2, 4]); n > 0; n--) {
    bytes[Math.floor(random.between(0, bytes.length))] = random.pick([
      0,
      1,
      0x7f,
      0xff,
      Math.floor(random.between(0, 256)),
    ])
  }
  return random.next() < 0.3 ? bytes.subarray(0, random.between(0, bytes.length)) : bytes
}

function named(random: Random): Buffer {
  return hello(random, Buffer.from(random.pick(names), 'latin1'))
}

/** Records of one byte each. */
function piecemeal(random: Random): Buffer {
  const whole = hello(random, Buffer.from(random.pick(names), 'latin1')).subarray(5)
  return Buffer.concat([...whole].map(byte => Buffer.from([0x16, 3, 1, 0, 1, byte])))
}

const names = [
  ...[
    '',
    '.',
    '..',
    '*',
    '*.test',
    '*.shop.test',
    'shop.test.',
    'SHOP.TEST',
    'shop.test\0',
    '\0',
    'shop.test\0.evil.test',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '127.0.0.1',
    '[::1]',
    '::1',
    '::',
    '1',
    '-',
    '_',
  ],
  ...[
    'nobody.test',
    'a b',
    'shop.test/',
    '../../etc/passwd',
    '%00',
    '$(x)',
    '\xff\xfe',
    'b\xfccher.test',
    'xn--',
    'xn--0',
  ],
  ...[
    'a'.repeat(63),
    'a'.repeat(64),
    'a.'.repeat(127),
    'a'.repeat(255),
    'a'.repeat(5_000),
    '.'.repeat(300),
    '\r\n',
    '\x1b[2J',
  ],
]

const sized = (width: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(width)
  length.writeUIntBE(Math.min(body.length, 256 ** width - 1), 0, width)
  return Buffer.concat([length, body])
}

const extension = (kind: number, body: Buffer) =>
  Buffer.concat([Buffer.from([kind >> 8, kind & 255]), sized(2, body)])

/** A ClientHello as TLS 1.3 has it (RFC 8446 4.1.2), asking for `name` however it is spelt, once or twice. */
function hello(random: Random, name: Buffer): Buffer {
  const server = Buffer.concat([Buffer.from([random.pick([0, 0, 0, 0, 1, 255])]), sized(2, name)])
  const list = random.pick([[server], [server], [server], [server, server], []])
  const asks = extension(0, sized(2, ...list))
  const extensions = [
    ...random.pick([[asks], [asks], [asks], [asks, asks], []]),
    extension(43, sized(1, Buffer.from([3, 4, 3, 3]))),
    extension(10, sized(2, Buffer.from([0, 0x1d, 0, 0x17]))),
    extension(13, sized(2, Buffer.from([4, 3, 8, 4, 4, 1]))),
    extension(51, sized(2, Buffer.from([0, 0x1d]), sized(2, bytesOf(random, 32)))),
    extension(16, sized(2, ...random.pick(protocols).map(each => sized(1, Buffer.from(each, 'latin1'))))),
  ]
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    bytesOf(random, 32),
    sized(1, bytesOf(random, 32)),
    sized(2, Buffer.from([0x13, 1, 0x13, 2, 0xc0, 0x2b, 0xc0, 0x2f])),
    Buffer.from([1, 0]),
    sized(2, ...extensions),
  ])
  return Buffer.concat([Buffer.from([0x16, 3, 1]), sized(2, Buffer.from([1]), sized(3, body))])
}

const protocols = [
  ['h2', 'http/1.1'],
  ['h2'],
  ['http/1.1'],
  ['spdy/3', 'x'],
  [''],
  ['\0'],
  ['h2\0'],
  ['x'.repeat(255)],
]
