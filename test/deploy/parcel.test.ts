import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'

import { t } from 'tap'
import { type Header, pack } from 'tar-stream'

import { openParcel } from '../../src/deploy/parcel.ts'

const limits = { bytes: 64 * 1024, entries: 20, fileBytes: 1024 }

t.test('wanted files come out, at any depth, and nothing else', async t => {
  const found = await open([
    [{ name: './', type: 'directory' }],
    [{ name: './deep/er/server.crt' }, 'certificate'],
    [{ name: 'README' }, 'no'],
    [{ name: '/abs.crt' }, 'also'],
    [{ name: '../../up.crt' }, 'and this'],
    [{ name: 'link.crt', type: 'symlink', linkname: '/etc/passwd' }],
    [{ name: 'hard.crt', type: 'link', linkname: 'README' }],
    [{ name: 'dev.crt', type: 'character-device' }],
    [{ name: `${'long/'.repeat(60)}l.crt` }, 'long'],
    [{ name: 'empty.crt' }, ''],
  ])
  t.same(
    found.map(({ path, content }) => [path.slice(-14), content.toString()]),
    [
      ['/er/server.crt', 'certificate'],
      ['/abs.crt', 'also'],
      ['../../up.crt', 'and this'],
      ['ong/long/l.crt', 'long'],
      ['empty.crt', ''],
    ],
  )
})

t.test('too much of anything is refused, however it is said', async t => {
  const many = Array.from({ length: 21 }, (_, n) => [{ name: `${n}` }, ''] as const)
  await t.rejects(open(many), { code: 'archive-too-large' })
  await t.rejects(open([[{ name: 'a.crt' }, 'x'.repeat(1025)]]), {
    code: 'archive-too-large',
    message: /a\.crt/,
  })
  await t.rejects(open([[{ name: 'other' }, 'x'.repeat(100_000)]]), { code: 'archive-too-large' })
  let sent = 0
  const endless = Readable.from(
    (function* () {
      for (;;) {
        sent += 1024
        yield Buffer.alloc(1024)
      }
    })(),
  )
  await t.rejects(read(endless), { code: 'archive-too-large' })
  t.ok(sent < 1e6, `${sent} bytes were taken`)
})

t.test('what is no tar is said to be none', async t => {
  const tar = await bytesOf([[{ name: 'a.crt' }, 'x']])
  const noise = randomBytes(2048)
  noise[0] = 1
  for (const [name, bytes] of Object.entries({
    nothing: Buffer.alloc(0),
    'zeros only': Buffer.alloc(1024),
    text: Buffer.from('-----BEGIN CERTIFICATE-----\n'.repeat(40)),
    noise,
    'a compressed one': gzipSync(tar),
    'half of one': tar.subarray(0, 513),
  })) {
    await t.rejects(read(Readable.from([bytes])), { code: 'bad-archive' }, name)
  }
})

t.test('a sender who leaves ends it', async t => {
  const left = new AbortController()
  const waiting = read(new Readable({ read() {} }), left.signal)
  left.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

type Entry = readonly [Partial<Header> & { name: string }, string?]

async function bytesOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const [header, content] of entries) {
    if (content === undefined) tar.entry(header)
    else tar.entry(header, content)
  }
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function open(entries: readonly Entry[]) {
  return read(Readable.from([await bytesOf(entries)]))
}

function read(source: Readable, signal = new AbortController().signal) {
  return openParcel(source, path => path.endsWith('.crt'), { limits, signal })
}
