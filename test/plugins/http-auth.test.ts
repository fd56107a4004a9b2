import { t } from 'tap'

import { terminal } from '../cli/desk.ts'
import { shopBehind } from './loaded.ts'

const as = (name: string, password: string) => ({
  headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
})

t.test('people come in with the name and password that were set, and nobody else', async t => {
  const { say, ask } = await shopBehind(t, 'http-auth')
  t.match(await say('http-auth:enable shop ann s3cret'), { code: 0, stdout: '       Done\n' })
  t.match(await ask('/'), { status: 401, headers: { 'www-authenticate': /^Basic realm="Restricted"/ } })
  t.equal((await ask('/', as('ann', 's3cret'))).status, 200)
  t.equal((await ask('/', as('ann', 'wrong'))).status, 401)
  t.match(await say('http-auth:add-user shop bob', { input: 'from stdin\n' }), { code: 0 })
  t.equal((await ask('/', as('bob', 'from stdin'))).status, 200)
  await say('http-auth:add-user shop ann other')
  t.equal((await ask('/', as('ann', 's3cret'))).status, 401)
  t.equal((await ask('/', as('ann', 'other'))).status, 200)
  await say('http-auth:remove-user shop bob')
  t.equal((await ask('/', as('bob', 'from stdin'))).status, 401)
  t.match(await say('http-auth:report shop'), { stdout: /enabled: +true\n.*users: +ann\n/s })
  await say('http-auth:disable shop')
  t.equal((await ask('/')).status, 200)
  await say('http-auth:enable shop')
  t.equal((await ask('/', as('ann', 'other'))).status, 200, 'users stay for the next time')
})

t.test('passwords are hashes from the first moment, and stand in no audit', async t => {
  const { say, last, audit } = await shopBehind(t, 'http-auth')
  await say('http-auth:enable shop ann s3cret')
  await say('http-auth:add-user shop bob s3cret')
  const { ann, bob } = last().auth!.users
  t.match(ann, /^\$scrypt\$ln=14,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  t.not(ann, bob, 'each has a salt of its own')
  const lines = audit().map(each => each.line)
  t.ok(lines.includes('http-auth:enable shop ann ***'), lines.join('\n'))
  t.ok(lines.includes('http-auth:add-user shop bob ***'))
  t.notMatch(lines.join('\n'), /s3cret/)
})

t.test('addresses come in without, as networks too', async t => {
  const { say, ask } = await shopBehind(t, 'http-auth')
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  t.match(await say('http-auth:add-allowed-ip shop 10.0.0.0/8'), { code: 0 })
  t.equal((await ask('/', from('10.1.2.3'))).status, 200)
  t.equal((await ask('/', from('192.0.2.1'))).status, 401, 'and all others are asked')
  await say('http-auth:add-allowed-ip shop 192.0.2.1')
  t.equal((await say('http-auth:report shop --http-auth-allowed-ips')).stdout, '10.0.0.0/8 192.0.2.1\n')
  await say('http-auth:remove-allowed-ip shop 10.0.0.0/8')
  t.equal((await ask('/', from('10.1.2.3'))).status, 401)
  t.match(await say('http-auth:add-allowed-ip shop unix:'), { code: 1, stderr: /is no address/ })
})

t.test('without a user, a password or an app it says so', async t => {
  const { say, ask } = await shopBehind(t, 'http-auth')
  t.match(await say('http-auth:add-user shop ann x'), { code: 1, stderr: /Authentication is disabled/ })
  t.match(await say('http-auth:enable shop'), { code: 0, stderr: /nobody comes in until http-auth:add-user/ })
  t.equal((await ask('/', as('ann', ''))).status, 401)
  for (const input of ['', '\n'])
    t.match(await say('http-auth:add-user shop ann', { input }), { code: 1, stderr: /No password came in/ })
  t.match(await say('http-auth:add-user shop ann', { terminal }), { code: 1, stderr: /Send it on stdin/ })
  t.match(await say('http-auth:add-user shop a:b x'), { code: 1, stderr: /cannot be a user's name/ })
  t.match(await say('http-auth:enable nobody'), { code: 20 })
})

t.test('what is known of an app goes with it', async t => {
  const { say, members, core } = await shopBehind(
    t,
    'http-auth',
    'maintenance',
    'redirect',
    'headers',
    'error-pages',
  )
  const shop = core.apps.list()[0]!
  const kept = () => members.map(({ context }) => context.kv.of(shop).list().length)
  await say('http-auth:enable shop ann x')
  await say('maintenance:enable shop')
  await say('redirect:set shop old.test shop.test')
  await say('headers:set shop A b')
  await say('error-pages:set shop 502', { input: 'x' })
  t.same(kept(), [1, 1, 1, 1, 1])
  t.match(await say('--force apps:destroy shop'), { code: 0, stderr: '' })
  t.same(kept(), [0, 0, 0, 0, 0])
})

t.test(
  'an app with passwords, or in maintenance, depends on what asks for them: it is not to stand open',
  async t => {
    const { say, rooms, core, members } = await shopBehind(t, 'http-auth', 'maintenance')
    const needs = () => rooms.store.dependencies.of(core.apps.list()[0]!.name)
    await say('http-auth:enable shop ann x')
    await say('maintenance:enable shop')
    t.strictSame(needs(), ['http-auth', 'maintenance'])
    await say('maintenance:disable shop')
    t.strictSame(needs(), ['http-auth'])
    rooms.store.dependencies.remove(core.apps.list()[0]!.name, 'http-auth')
    for (const { plugin, context } of members) await plugin.start?.(context)
    t.strictSame(needs(), ['http-auth'], 'one that asked for them already does too')
    await say('http-auth:disable shop')
    t.strictSame(needs(), [])
  },
)
