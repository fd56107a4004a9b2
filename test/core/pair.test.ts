import { X509Certificate } from 'node:crypto'

import { t } from 'tap'

import { covers, readPair } from '../../src/core/pair.ts'
import { createVerify } from '../../src/core/verify.ts'
import { selfSigned } from '../../src/self-signed.ts'
import { authority } from './authority.ts'

const with2026 = { now: new Date('2026-06-01'), verify: createVerify() }

t.test('a chain in order passes as it is, and says who it is for', async t => {
  const { root, middle, issue } = await authority(t)
  const { certificate, key } = await issue({ name: 'shop.test', hostnames: ['Shop.test', '*.shop.test'] })
  const chain = certificate + middle.certificate + root.certificate
  const pair = readPair({ chain, key }, with2026)
  t.equal(pair.chain, chain)
  t.match(pair.key, /^-----BEGIN PRIVATE KEY-----/)
  t.match(pair.facts, {
    subject: 'CN=shop.test',
    issuer: 'CN=An Authority in between',
    hostnames: ['shop.test', '*.shop.test'],
    verified: 'not verified',
    expiresAt: new Date('2099-12-31'),
  })
  t.match(pair.warnings, [
    /A Root of our own, who issued the last certificate of the chain, is not known here/,
  ])
})

t.test('a chain out of order is put in order, and what nothing needs is left out', async t => {
  const { root, middle, issue } = await authority(t)
  const { certificate, key } = await issue({ name: 'shop.test', hostnames: ['shop.test'] })
  const other = await issue({ name: 'other.test', hostnames: ['other.test'] })
  const names = ({ chain }: { chain: string }) =>
    chain.split(/(?=-----BEGIN)/).map(pem => new X509Certificate(pem).subject)
  const wanted = ['CN=shop.test', 'CN=An Authority in between', 'CN=A Root of our own']
  const mixed = readPair({ chain: root.certificate + certificate + middle.certificate, key }, with2026)
  t.same(names(mixed), wanted)
  t.match(mixed.warnings, [/not in order/, /not known/])
  const words = 'subject=what openssl prints\n\n'
  const more = readPair(
    { chain: words + middle.certificate + other.certificate + certificate, key },
    with2026,
  )
  t.same(names(more), wanted.slice(0, 2))
  t.match(more.warnings, [/A certificate was sent that nothing in the chain needs; left out/, /not known/])
})

t.test('keys of the usual kinds and forms are taken', async t => {
  const { issue } = await authority(t)
  for (const rsa of [undefined, 2048]) {
    const { certificate, key } = await issue({
      name: 'a.test',
      hostnames: ['a.test'],
      ...(rsa ? { rsa } : {}),
    })
    t.equal(
      readPair({ chain: certificate.replaceAll('\n', '\r\n'), key: `noise\n${key}noise` }, with2026).facts
        .subject,
      'CN=a.test',
    )
  }
})

t.test('what cannot serve is refused in words', async t => {
  const { issue, locked } = await authority(t)
  const shop = await issue({ name: 'shop.test', hostnames: ['shop.test'] })
  const other = await issue({ name: 'other.test', hostnames: ['other.test'] })
  const weak = await issue({ name: 'weak.test', hostnames: ['weak.test'], rsa: 1024 })
  const refused = (chain: string, key: string) => {
    try {
      readPair({ chain, key }, with2026)
    } catch (error) {
      return error as { code: string; hint?: string }
    }
    return undefined
  }
  t.match(refused(shop.certificate, other.key), { code: 'key-differs', hint: /openssl/ })
  t.match(refused(shop.certificate, await locked(shop)), { code: 'key-encrypted', hint: /openssl pkey/ })
  t.match(refused(shop.certificate, await locked(shop, '-traditional')), { code: 'key-encrypted' })
  t.match(refused(weak.certificate, weak.key), { code: 'key-weak', message: /1024 bits/ })
  t.match(refused('', shop.key), { code: 'bad-certificate', hint: /-inform der/ })
  t.match(refused(shop.key, shop.key), { code: 'bad-certificate' })
  t.match(refused(shop.certificate, ''), { code: 'bad-key' })
  t.match(refused(shop.certificate, shop.certificate), { code: 'bad-key' })
  t.match(refused(shop.certificate, shop.key.replace(/[A-Za-z0-9]{8}/, 'AAAAAAAA')), { code: 'bad-key' })
  t.match(refused(shop.certificate.replace(/[A-Za-z0-9]{8}/, 'AAAAAAAA'), shop.key), {
    code: 'bad-certificate',
  })
  t.match(refused(shop.certificate.repeat(30), shop.key), { code: 'bad-certificate', message: /too long/ })
})

t.test('what a person may have meant all the same is a warning', async t => {
  const { issue } = await authority(t)
  const warned = async (wish: object) => {
    const { certificate, key } = await issue({ name: 'a.test', hostnames: ['a.test'], ...wish })
    return readPair({ chain: certificate, key }, with2026).warnings.join('\n')
  }
  t.match(await warned({ to: '20260501000000Z' }), /has expired on 2026-05-01/)
  t.match(await warned({ from: '20260701000000Z' }), /not valid before 2026-07-01/)
  t.match(await warned({ hostnames: [] }), /names no hostname/)
  t.notMatch(await warned({}), /expired|valid|hostname/)
})

t.test('who vouches for a chain is known', async t => {
  const { chain, key } = await selfSigned(['shop.test', '*.shop.test'], { days: 2 })
  const pair = readPair({ chain, key }, { now: new Date(), verify: createVerify() })
  t.match(pair, { facts: { verified: 'self signed', hostnames: ['shop.test', '*.shop.test'] }, warnings: [] })
  const { getCACertificates } = await import('node:tls')
  const verify = createVerify()
  const roots = getCACertificates('bundled').map(pem => new X509Certificate(pem))
  const stranger = new X509Certificate(chain)
  t.equal(verify([stranger, roots[0]!]), 'verified by a certificate authority')
})

t.test('a wildcard stands for one label, and a wildcard domain needs that very wildcard', t => {
  const names = ['shop.test', '*.shop.test']
  for (const hostname of ['shop.test', 'www.shop.test', '*.shop.test'])
    t.ok(covers(names, hostname), hostname)
  for (const hostname of ['a.b.shop.test', 'xshop.test', '*.www.shop.test', 'test', '*.test', ''])
    t.notOk(covers(names, hostname), hostname)
  t.notOk(covers(['www.shop.test'], '*.shop.test'))
  t.end()
})
