import { networkInterfaces } from 'node:os'

import t from 'tap'

import { createOutbound, isPublic } from '../src/outbound.ts'
import { readSettings } from '../src/settings.ts'

const signal = new AbortController().signal

t.test('addresses of the public internet are told from all others', async t => {
  for (const address of [
    '93.184.215.14',
    '1.1.1.1',
    '172.32.0.1',
    '100.63.255.255',
    '2606:4700::1111',
    '::ffff:1.1.1.1',
  ])
    t.ok(isPublic(address), address)
  const others = [
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...[
      '169.254.169.254',
      '100.100.100.200',
      '168.63.129.16',
      '192.0.0.192',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
    ],
    ...[
      '::1',
      '::',
      'fe80::1',
      'fd00:ec2::254',
      'ff02::1',
      '2001:db8::1',
      '2002:7f00:1::',
      '2001::1',
      'fec0::1',
    ],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:a00:1',
      '64:ff9b::7f00:1',
      '64:ff9b::a9fe:a9fe',
      '::127.0.0.1',
      '64:ff9b:1::1',
    ],
  ]
  for (const address of others) t.notOk(isPublic(address), address)
  t.ok(isPublic('64:ff9b::101:101'), 'what a NAT64 makes of a public one is public')
  const own = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  for (const { address } of own) t.notOk(isPublic(address), `${address}, this host's own`)
})

t.test('a URL leads to the addresses that its name has, looked up once', async t => {
  const asked: string[] = []
  const find = async (host: string) => {
    asked.push(host)
    return ['93.184.215.14', '2606:4700::1111']
  }
  const reach = createOutbound({ allowed: [], find })
  t.match(await reach(new URL('https://Lib.Example/x.git'), { signal }), {
    port: 443,
    addresses: ['93.184.215.14', '2606:4700::1111'],
  })
  t.match(await reach(new URL('https://lib.example:8443/x.git'), { signal }), { port: 8443 })
  t.strictSame(asked, ['lib.example', 'lib.example'])
})

t.test('one address that is not public among others is enough to go nowhere', async t => {
  const reach = createOutbound({ allowed: [], find: async () => ['93.184.215.14', '10.0.0.5'] })
  await t.rejects(reach(new URL('https://lib.example/x'), { signal }), {
    code: 'url-local',
    message: 'lib.example leads to 10.0.0.5, which is not on the public internet.',
    hint: /DAVIT_ALLOW_LOCAL=10\.0\.0\.5\/32/,
  })
})

t.test('however an address is written, it is the address that counts', async t => {
  const reach = createOutbound({ allowed: [] })
  const written = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:7f00:1]',
    'localhost',
    '0',
    '%31%32%37.0.0.1',
    '127。0。0。1',
  ]
  for (const host of written)
    await t.rejects(reach(new URL(`https://${host}/x`), { signal }), { code: 'url-local' }, host)
})

t.test('networks that an admin allowed are gone to, over http too, and no others', async t => {
  const { allowLocal } = readSettings(['--allow-local', '127.0.0.0/8, 10.1.2.3,fd00:1::/32'], {})
  t.strictSame(allowLocal, ['127.0.0.0/8', '10.1.2.3/32', 'fd00:1::/32'])
  const found = new Map(
    Object.entries({ a: ['10.1.2.3'], b: ['10.1.2.4'], c: ['fd00:1::5'], d: ['10.1.2.3', '1.1.1.1'] }),
  )
  const reach = createOutbound({ allowed: allowLocal, find: async host => found.get(host) ?? [] })
  t.match(await reach(new URL('http://127.0.0.1:8000/x'), { signal }), {
    port: 8000,
    addresses: ['127.0.0.1'],
  })
  t.match(await reach(new URL('http://a/x'), { signal }), { port: 80 })
  t.match(await reach(new URL('https://c/x'), { signal }), { addresses: ['fd00:1::5'] })
  await t.rejects(reach(new URL('https://b/x'), { signal }), { code: 'url-local' })
  await t.rejects(reach(new URL('http://[::1]/x'), { signal }), { code: 'url-local' })
  await t.rejects(reach(new URL('http://d/x'), { signal }), { code: 'url-plain' }, 'http to the internet')
  await t.rejects(reach(new URL('http://1.1.1.1/x'), { signal }), { code: 'url-plain' })
  await t.rejects(reach(new URL('https://none/x'), { signal }), { code: 'no-address' })
  await t.rejects(reach(new URL('ftp://a/x'), { signal }), { code: 'url-scheme' })
})

t.test('a network that is none is no setting', async t => {
  for (const text of [
    'localhost',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    '1.2.3.4/',
    '/8',
    '10.0.0.0-10.1.0.0',
  ])
    t.throws(() => readSettings([], { DAVIT_ALLOW_LOCAL: text }), { code: 'bad-setting' }, text)
  t.strictSame(readSettings([], {}).allowLocal, [])
})

t.test('a lookup that takes long ends with whoever asked', async t => {
  const gone = new AbortController()
  const reach = createOutbound({
    allowed: [],
    find: () => {
      gone.abort()
      return new Promise(() => undefined)
    },
  })
  await t.rejects(reach(new URL('https://lib.example/x'), { signal: gone.signal }), { code: 'cancelled' })
})
