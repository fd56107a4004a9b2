import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { t } from 'tap'
import { pack } from 'tar-stream'

import { urlsOf } from '../../src/core/domains.ts'
import { definePlugin } from '../../src/plugin/define.ts'
import { selfSigned } from '../../src/self-signed.ts'
import type { AppName } from '../../src/types.ts'
import { desk, terminal } from '../cli/desk.ts'
import { authority, type Made } from '../core/authority.ts'
import { calling, shop } from '../core/workshop.ts'

t.test('a certificate in a tar is checked, told and in force', async t => {
  const { issue, middle } = await authority(t)
  const made = await issue({ name: 'shop.test', hostnames: ['shop.test', '*.shop.test'] })
  const { say, certificates, told, rooms } = desk(t)
  await say('apps:create shop')
  await say('domains:add shop shop.test www.shop.test other.test')
  t.equal((await say('urls shop')).stdout.match(/https/g), null)
  const added = await say('certs:add shop', { input: await tarOf(made, middle) })
  t.match(added, {
    code: 0,
    stdout: / {7}For shop\.test, \*\.shop\.test\n {7}Expires at Dec 31 00:00:00 2099 GMT\n/,
  })
  t.match(added.stderr, / ! {5}Not in the certificate, and served over http only: other\.test/)
  t.match(
    [...certificates.values()],
    [
      {
        name: 'shop',
        hostnames: ['shop.test', 'www.shop.test'],
        chain: made.certificate + middle.certificate,
      },
    ],
  )
  t.match(told.at(-1), { https: { redirect: true } })
  t.equal(
    (await say('urls shop')).stdout,
    'https://shop.test\nhttps://www.shop.test\nhttp://other.test:8080\n',
  )
  const without = { ...rooms, settings: { ...rooms.settings, httpsListen: undefined } }
  t.same(
    urlsOf(shop, without),
    ['shop', 'www.shop', 'other'].map(name => `http://${name}.test:8080`),
    'nobody is sent to a port that is not open',
  )
})

t.test('a certificate follows its app: its domains, its name, its end', async t => {
  const engine = { containers: async () => [], images: async () => [] }
  const { say, certificates, core } = desk(t, [], { engine })
  await say('apps:create shop')
  await say('domains:add shop shop.test')
  await say('certs:generate shop shop.test')
  t.match(certificates.get('shop'), { hostnames: ['shop.test'] })
  await say('domains:remove shop shop.test')
  t.match(certificates.get('shop'), { hostnames: [] })
  await say('domains:add shop shop.test')
  await core.apps.rename(shop, 'boutique' as AppName, { rollout: false }, calling())
  t.same([...certificates.keys()], ['boutique'])
  t.match(certificates.get('boutique'), { hostnames: ['shop.test'] })
  await core.apps.destroy('boutique' as AppName, calling())
  t.same([...certificates.keys()], [])
  await say('apps:create boutique')
  t.match(await say('certs:show boutique crt'), { code: 1 })
})

t.test('certs:update replaces, certs:remove takes away, and both say so', async t => {
  const { issue } = await authority(t)
  const { say, certificates } = desk(t)
  await say('apps:create shop')
  await say('domains:add shop shop.test')
  for (const verb of ['add', 'update', 'update']) {
    const made = await issue({ name: verb, hostnames: ['shop.test'] })
    t.match(await say(`certs:${verb} shop`, { input: await tarOf(made) }), { code: 0 })
    t.equal(certificates.get('shop')!.chain, made.certificate)
  }
  t.match(await say('certs:remove shop'), {
    code: 0,
    stdout: /Removed the certificate of shop/,
  })
  t.equal(certificates.size, 0)
  t.match(await say('certs:remove shop'), { code: 1, stderr: /certificate is not there.*certs:add shop/s })
})

t.test('certs:report says what scripts read, in force or not', async t => {
  const { say } = desk(t)
  await say('apps:create shop')
  t.equal((await say('certs:report shop --ssl-enabled')).stdout, 'false\n')
  await say('domains:add shop shop.test')
  await say('certs:generate shop shop.test')
  const { stdout } = await say('certs:report shop')
  t.match(stdout, /^=====> shop ssl information\n/)
  t.match(stdout, /\n {7}Ssl enabled: +true\n/)
  t.match(stdout, /\n {7}Ssl hostnames: +shop\.test\n/)
  t.match(stdout, /\n {7}Ssl expires at: +\w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT\n/)
  t.match(stdout, /\n {7}Ssl verified: +self signed\n/)
  const json = JSON.parse((await say('certs:report shop --format json')).stdout)
  t.match(json, { enabled: 'true', 'ssl-enabled': 'true', 'ssl-subject': 'CN=shop.test' })
  t.match(await say('certs:report shop --ssl-nonsense'), {
    code: 1,
    stderr: /valid flags: --ssl-dir, --ssl-enabled/,
  })
})

t.test('certs:show gives back what was added, and certs:generate overwrites nothing', async t => {
  const { say, audit } = desk(t)
  await say('apps:create shop')
  t.match(await say('certs:show shop key'), { code: 1 })
  await say('certs:generate shop shop.test')
  const crt = (await say('certs:show shop crt')).stdout
  const key = (await say('certs:show shop key')).stdout
  t.match(crt, /^-----BEGIN CERTIFICATE-----\n.*-----END CERTIFICATE-----\n$/s)
  t.match(key, /^-----BEGIN PRIVATE KEY-----\n.*-----END PRIVATE KEY-----\n$/s)
  t.match(await say('certs:generate shop shop.test'), { code: 1, stderr: /has a certificate already/ })
  t.match(await say('certs:show shop pem'), { code: 1, stderr: /neither crt nor key/ })
  t.equal((await say('certs:show shop crt')).stdout, crt)
  t.notMatch(JSON.stringify(audit()), /BEGIN/)
})

t.test('what is no pair is refused, and what was there stays', async t => {
  const { issue } = await authority(t)
  const one = await issue({ name: 'one', hostnames: ['shop.test'] })
  const two = await issue({ name: 'two', hostnames: ['shop.test'] })
  const { say, certificates } = desk(t)
  await say('apps:create shop')
  await say('domains:add shop shop.test')
  await say('certs:add shop', { input: await tarOf(one) })
  const refused = async (input: Buffer | undefined, words: RegExp) => {
    t.match(await say('certs:add shop', input ? { input } : {}), { code: 1, stdout: '', stderr: words })
    t.equal(certificates.get('shop')!.chain, one.certificate)
  }
  await refused(undefined, /no tar archive/)
  await refused(await tar({ 'a.crt': one.certificate }), /Tar archive is missing a \.key file/)
  await refused(await tar({ 'a.key': one.key }), /Tar archive is missing a \.crt file/)
  await refused(
    await tar({ 'a.crt': one.certificate, 'b.crt': '', 'a.key': one.key }),
    /more than one \.crt file/,
  )
  await refused(await tarOf({ certificate: one.certificate, key: two.key }), /does not belong/)
  t.match(await say('certs:add shop', { terminal, typed: null }), {
    code: 1,
    stderr: /tar -c server\.crt server\.key \| ssh/,
  })
  t.match(await say('certs:add shop a.crt a.key'), { code: 1, stderr: /on the host itself only/ })
  t.match(await say('certs:add nobody', { input: await tarOf(one) }), { code: 20 })
})

t.test('on the host itself files are named by their paths', async t => {
  const { issue } = await authority(t)
  const { certificate, key } = await issue({ name: 'shop.test', hostnames: ['shop.test'] })
  const { say, rooms, certificates } = desk(t)
  const at = (name: string) => join(rooms.settings.data, name)
  await writeFile(at('a.crt'), certificate)
  await writeFile(at('a.key'), key)
  await say('apps:create shop')
  await say('domains:add shop shop.test')
  t.match(await say(`certs:add shop ${at('a.crt')} ${at('a.key')}`, { local: true }), { code: 0 })
  t.equal(certificates.get('shop')!.chain, certificate)
  t.match(await say(`certs:add shop ${at('none')} ${at('a.key')}`, { local: true }), {
    code: 1,
    stderr: /Cannot read/,
  })
  t.match(await say(`certs:add shop ${at('a.crt')}`, { local: true }), { code: 1, stderr: /KEY is missing/ })
})

t.test(
  'a plugin finds certificates for hostnames that have none, and what it has wrong costs nothing',
  async t => {
    const asked: string[] = []
    const found = { name: 'found', hostnames: [], ...(await selfSigned(['a.test', '*.b.test'], { days: 2 })) }
    let answer: object | undefined = found
    const plugin = definePlugin({
      name: 'finder',
      about: 'Finds',
      api: 1,
      hooks: {
        findCertificate({ hostname }) {
          asked.push(hostname)
          if (answer instanceof Error) throw answer
          return answer as typeof found
        },
      },
    })
    const { say, certificates, core } = desk(t, [], { plugins: [plugin] })
    await say('apps:create shop')
    await say('domains:add shop own.test a.test x.b.test c.test')
    t.same([...certificates.keys()], ['shop/found'])
    t.same(certificates.get('shop/found')!.hostnames, ['a.test', 'x.b.test'])
    await say('certs:generate shop own.test')
    asked.length = 0
    await core.routes.refresh(shop, calling())
    t.same(asked, ['a.test', 'x.b.test', 'c.test'])
    t.same([...certificates.keys()].sort(), ['shop', 'shop/found'])
    t.equal((await say('certs:report shop --ssl-hostnames')).stdout, 'own.test a.test *.b.test\n')
    for (const wrong of [new Error('no'), { ...found, key: 'no' }]) {
      answer = wrong
      t.match(await say('domains:add shop d.test'), { code: 0 })
      await say('domains:remove shop d.test')
      t.same(certificates.get('shop/found')!.hostnames, ['a.test', 'x.b.test'])
    }
    answer = undefined
    await core.routes.refresh(shop, calling())
    t.same([...certificates.keys()], ['shop'])
  },
)

async function tarOf(
  { certificate, key }: Made,
  ...more: readonly { certificate: string }[]
): Promise<Buffer> {
  const chain = certificate + more.map(each => each.certificate).join('')
  return tar({ 'some/where/server.crt': chain, 'some/._server.crt': 'what a Mac adds', 'server.key': key })
}

async function tar(files: Record<string, string>): Promise<Buffer> {
  const archive = pack()
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
