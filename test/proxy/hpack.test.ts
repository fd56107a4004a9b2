import { t } from 'tap'

import { randomOf } from '../../scripts/chaos.d/random.ts'
import { openPacker } from '../../src/proxy/h2/pack.ts'
import { openUnpack, type Unpack } from '../../src/proxy/h2/unpack.ts'
import { ask2, open, session, told } from './client2.ts'
import { backend, routeTo, secureStage } from './stage.ts'

function read(unpack: Unpack, block: string, encoding: BufferEncoding = 'hex'): string[] {
  const bytes = Buffer.from(block, encoding)
  const fields: string[] = []
  unpack(bytes, 0, bytes.length, ({ name, value }) => fields.push(`${name}: ${value}`))
  return fields
}

t.test('requests of RFC 7541, C.4, are read', async t => {
  const unpack = openUnpack()
  t.same(read(unpack, '828684418cf1e3c2e5f23a6ba0ab90f4ff'), [
    ...[':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  ])
  t.same(read(unpack, '828684be5886a8eb10649cbf').slice(3), [
    ...[':authority: www.example.com', 'cache-control: no-cache'],
  ])
  t.same(read(unpack, '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf').slice(1), [
    ...[':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
  ])
})

t.test('answers of RFC 7541, C.6, are read, from a table of 256 bytes that forgets', async t => {
  const unpack = openUnpack()
  const [date, later] = ['Mon, 21 Oct 2013 20:13:21 GMT', 'Mon, 21 Oct 2013 20:13:22 GMT']
  const rest = (date: string) => [
    ...['cache-control: private', `date: ${date}`, 'location: https://www.example.com'],
  ]
  const first =
    '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3'
  t.same(read(unpack, `3fe101${first}`), [':status: 302', ...rest(date)])
  t.same(read(unpack, '4883640effc1c0bf'), [':status: 307', ...rest(date)])
  const third =
    '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007'
  t.same(read(unpack, third), [
    ...[':status: 200', ...rest(later), 'content-encoding: gzip'],
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ])
})

t.test('a block that is no block is told from one that is', async t => {
  const broken = {
    'index 0': '80',
    'an index of no table': 'be',
    'a number without end': 'ffffffffffffffff',
    'a number that is cut off': 'ff80',
    'a string that is cut off': '4005616263',
    'a string that is missing': '400161',
    'padding of more than seven bits': '400161821fff',
    'padding of zeros': '4001618165',
    'the end of strings in a string': '40016184ffffffff',
    'a table larger than was said': '3fe21f',
    'a table that changes in the middle': '823f10',
  }
  for (const [name, block] of Object.entries(broken))
    t.throws(() => read(openUnpack(), block), { code: 9 }, name)
  t.same(read(openUnpack(), '3fe11f82'), [':method: GET'])
  const unpack = openUnpack()
  t.same(read(unpack, '4001610162be'), ['a: b', 'a: b'])
  t.throws(() => read(unpack, '20be'), { code: 9 }, 'what is forgotten')
})

t.test('what was packed is what is read, whatever the size of the table', async t => {
  const { next: random, pick } = randomOf(7)
  const names = ['Server', 'server', 'Date', 'X-Own', 'content-length', 'Set-Cookie', 'X-Request-Id', 'ETag']
  const values = [
    '',
    'a',
    '12',
    'x'.repeat(126),
    'y'.repeat(127),
    'z'.repeat(5_000),
    'w'.repeat(1_990),
    '\xff ü',
  ]
  const packer = openPacker(() => 'now')
  const unpack = openUnpack()
  let bytes = 0
  for (let count = 0; count < 3_000; count++) {
    if (random() < 0.02) packer.limit(pick([0, 64, 300, 4_096, 10_000]))
    const status = pick([200, 204, 302, 404, 503])
    const fields = Array.from({ length: Math.floor(random() * 8) }, () => [
      random() < 0.1 ? `x-${Math.floor(random() * 300)}` : pick(names),
      random() < 0.3 ? String(random()) : pick(values),
    ])
    const block = packer.head(status, fields.flat(), { clean: random() < 0.5 })
    bytes += block.length
    const said = fields
      .filter(([name]) => status !== 204 || name !== 'content-length')
      .map(([name, value]) => `${name!.toLowerCase()}: ${value}`)
    const dated = fields.some(([name]) => name === 'Date') ? [] : ['date: now']
    t.same(read(unpack, block, 'latin1'), [`:status: ${status}`, ...said, ...dated])
  }
  t.ok(bytes > 0)
})

t.test('an answer that is like the ones before takes a few bytes', async t => {
  const packer = openPacker(() => 'now')
  const fields = [
    'Server',
    'nginx',
    'Content-Type',
    'text/plain',
    'Content-Length',
    '6',
    'X-Frame-Options',
    'DENY',
  ]
  const sizes = Array.from({ length: 4 }, () => packer.head(200, fields, { clean: true }).length)
  t.ok(sizes[0]! > 50)
  t.same(sizes.slice(2), [6, 6])
})

t.test('nothing is remembered of an answer that cannot be said', async t => {
  const packer = openPacker(() => 'now')
  const unpack = openUnpack()
  const good = ['x-own', 'a']
  read(unpack, packer.head(200, good), 'latin1')
  for (const bad of [
    ['x-own', 'a\r\nx: y'],
    ['x own', 'a'],
    ['', 'a'],
    ['x-own', 'a\u0100'],
  ])
    t.throws(() => packer.head(200, [...good, ...bad]), TypeError)
  for (let count = 0; count < 3; count++)
    t.same(read(unpack, packer.head(200, good), 'latin1'), [':status: 200', 'x-own: a', 'date: now'])
})

t.test(
  'every byte that a value may have passes, and clients that keep no table are answered too',
  async t => {
    const heard: (string | undefined)[] = []
    const app = await backend(t, (req, res) => {
      heard.push(req.headers['x-own'] as string)
      res.writeHead(200, { 'x-own': req.headers['x-own'], 'x-count': heard.length }).end()
    })
    const { httpsPort } = await secureStage(t, [routeTo(app)])
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')
    const sayable = all.replace(/[\x00-\x20\x7f]/g, '')
    // Codes of rare bytes are long: only beside many short ones is a value coded at all.
    const coded = 'aeiost'.repeat(400) + sayable
    for (const settings of [{}, { headerTableSize: 0 }, { headerTableSize: 100 }]) {
      const client = await session(t, httpsPort, { settings })
      for (const value of [sayable, coded, coded, 'plain', 'plain', 'plain', coded]) {
        const { status, headers } = await ask2(client, '/', { headers: { 'x-own': value } })
        t.equal(status, 200)
        t.ok(headers['x-own'] === value)
        t.ok(heard.at(-1) === value)
        t.equal(headers['x-count'], String(heard.length))
      }
    }
  },
)

t.test('a head of an answer that fills several frames arrives', async t => {
  const long = 'l'.repeat(15_000)
  const app = await backend(t, (_req, res) => {
    res.writeHead(200, { 'x-1': long, 'x-2': `2${long}` }).end('body')
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort, { settings: { maxHeaderListSize: 200_000 } })
  const { status, headers, body } = await told(open(client, '/', { endStream: true }))
  t.match({ status, body }, { status: 200, body: 'body' })
  t.ok(headers['x-1'] === long && headers['x-2'] === `2${long}`)
})

t.test('an answer without a date gets one', async t => {
  const app = await backend(t, (_req, res) => {
    res.sendDate = false
    res.end('ok')
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const { headers } = await ask2(await session(t, httpsPort), '/')
  t.ok(Math.abs(Date.parse(String(headers.date)) - Date.now()) < 5_000, String(headers.date))
})
