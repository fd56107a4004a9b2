import { t } from 'tap'

import { passwordHash } from '../../src/edge/password.ts'
import { routeOf as readRoute } from '../../src/edge/route.ts'
import { openPasswords } from '../../src/proxy/gates/passwords.ts'
import { hashOf } from './hash.ts'
import { backend, routeTo, stage } from './stage.ts'

const as = (name: string, password: string, scheme = 'Basic') => ({
  headers: { authorization: `${scheme} ${Buffer.from(`${name}:${password}`).toString('base64')}` },
})

t.test('a name and its password open the app, anything else is challenged', async t => {
  const seen: (string | undefined)[] = []
  const app = await backend(t, (req, res) => {
    seen.push(req.headers.authorization)
    res.end('in')
  })
  const users = { ann: hashOf('s3cret:with:colons ü'), bob: hashOf(''), constructor: hashOf('x') }
  const realm = 'Ann"s \\ shop\r\n\u2603'
  const { ask, raw } = await stage(t, [{ ...routeTo(app), auth: { realm, users } }])
  const nobody = await ask('/')
  t.match(nobody, { status: 401, headers: { 'cache-control': 'no-store' } })
  t.equal(nobody.headers['www-authenticate'], 'Basic realm="Ann\\"s \\\\ shop???", charset="UTF-8"')
  t.match(await ask('/', as('ann', 's3cret:with:colons ü')), { status: 200, body: 'in' })
  t.match(await ask('/', as('ann', 's3cret:with:colons ü', 'bAsIc')), { status: 200 })
  t.match(await ask('/', as('bob', '')), { status: 200 })
  const refused = [
    as('ann', 'wrong'),
    as('ann', ''),
    as('bob', 's3cret:with:colons ü'),
    as('eve', 's3cret:with:colons ü'),
    as('toString', 'x'),
    as('__proto__', 'x'),
    as('ann', 's3cret:with:colons ü', 'Bearer'),
    { headers: { authorization: 'Basic' } },
    { headers: { authorization: 'Basic !!!' } },
    { headers: { authorization: `Basic ${Buffer.from('ann').toString('base64')}` } },
  ]
  for (const each of refused) {
    const { status, headers } = await ask('/', each)
    t.match({ status, ...headers }, { status: 401, 'www-authenticate': nobody.headers['www-authenticate'] })
  }
  const { authorization } = as('ann', 's3cret:with:colons ü').headers
  const twice = `Authorization: ${authorization}\r\n`.repeat(2)
  t.match(
    await raw(`GET / HTTP/1.1\r\nHost: shop.test\r\n${twice}Connection: close\r\n\r\n`),
    /^HTTP\/1\.1 401 /,
  )
  t.equal(seen.length, 3, 'nobody else reached it')
  t.equal(seen[0], authorization, 'and the app hears who came')
})

t.test('some addresses come in without, and a route without users lets nobody else in', async t => {
  const app = await backend(t, (_req, res) => res.end('in'))
  const auth = { realm: 'x', users: {}, allowed: { '192.0.2.0/24': true as const } }
  const { ask } = await stage(t, [{ ...routeTo(app), auth }], {}, ['127.0.0.1'])
  t.equal((await ask('/', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 200)
  t.equal((await ask('/', { headers: { 'x-forwarded-for': '198.51.100.1' } })).status, 401)
  t.equal((await ask('/', as('ann', ''))).status, 401)
})

t.test('another password is in force with the route that brings it', async t => {
  const app = await backend(t, (_req, res) => res.end('in'))
  const routeWith = (password: string) => ({
    ...routeTo(app),
    auth: { realm: 'x', users: { ann: hashOf(password) } },
  })
  const { ask, point } = await stage(t, [routeWith('old')])
  t.equal((await ask('/', as('ann', 'old'))).status, 200)
  t.equal((await ask('/', as('ann', 'new'))).status, 401)
  point(routeWith('new'))
  t.equal((await ask('/', as('ann', 'old'))).status, 401)
  t.equal((await ask('/', as('ann', 'new'))).status, 200)
})

t.test('a right password is checked once, and then known at once', async t => {
  const passwords = openPasswords()
  const hash = hashOf('right', 14)
  const first = passwords.check(hash, 'right', 'a')
  t.ok(first instanceof Promise)
  t.equal(passwords.check(hash, 'right', 'a'), first, 'those who ask meanwhile share the check')
  t.equal(await first, 'right')
  t.equal(passwords.check(hash, 'right', 'b'), 'right')
  t.equal(await passwords.check(hash, 'wrong', 'a'), 'wrong')
  t.equal(passwords.check(hash, 'wrong', 'a'), 'wrong')
  t.ok(passwords.check(hashOf('right', 14), 'right', 'a') instanceof Promise, 'of this hash alone')
})

t.test('nobody can have too many passwords checked, alone or together', async t => {
  const passwords = openPasswords()
  const hash = hashOf('right')
  const from = (client: string, most: number) =>
    Array.from({ length: most }, (_, at) => passwords.check(hash, `${client} ${at}`, client))
  const checks = from('a', 10)
  t.same(
    checks.slice(4),
    Array.from({ length: 6 }, () => 'busy'),
  )
  const others = Array.from({ length: 100 }, (_, at) => from(`client ${at}`, 1)[0])
  const taken = others.filter(each => each !== 'busy')
  t.equal(taken.length + 4, 66)
  t.same(new Set(await Promise.all([...checks.slice(0, 4), ...taken])), new Set(['wrong']))
  t.equal(await passwords.check(hash, 'right', 'a'), 'right', 'and afterwards there is room again')
})

t.test('who meets too many checks under way is asked to come again', async t => {
  const app = await backend(t, (_req, res) => res.end('in'))
  const auth = { realm: 'x', users: { ann: hashOf('right', 14) } }
  const { ask } = await stage(t, [{ ...routeTo(app), auth }])
  const all = await Promise.all(Array.from({ length: 12 }, (_, at) => ask('/', as('ann', `wrong ${at}`))))
  const statuses = all.map(each => each.status).sort()
  t.same(new Set(statuses), new Set([401, 429]))
  t.equal(all.find(each => each.status === 429)?.headers['retry-after'], '1')
  t.equal((await ask('/', as('ann', 'right'))).status, 200)
})

t.test('an unknown name takes as long as a wrong password', async t => {
  const app = await backend(t, (_req, res) => res.end('in'))
  const auth = { realm: 'x', users: { ann: hashOf('right', 14) } }
  const { ask } = await stage(t, [{ ...routeTo(app), auth }])
  const times = { ann: [] as number[], eve: [] as number[] }
  const best = (all: number[]) => Math.min(...all)
  // A check takes tens of milliseconds, everything else a few. Where the machine has other work, the best of a few tells little.
  for (let n = 0; n < 4 || (n < 20 && best(times.eve) <= best(times.ann) / 2); n++) {
    for (const name of ['ann', 'eve'] as const) {
      const began = performance.now()
      await ask('/', as(name, `wrong ${n}`))
      times[name].push(performance.now() - began)
    }
  }
  t.ok(best(times.eve) > best(times.ann) / 2, `${best(times.eve)} ms against ${best(times.ann)} ms`)
})

t.test('a hash that is none, or costs too much, never reaches a worker', async t => {
  t.match(passwordHash(hashOf('x', 12)), { cost: 4096, blockSize: 8, parallel: 1 })
  const good = hashOf('x')
  for (const bad of [
    'plain',
    '$2y$10$abcdefghijklmnopqrstuv',
    good.replace('ln=10', 'ln=0'),
    good.replace('ln=10', 'ln=40'),
    good.replace('r=8', 'r=0'),
    good.replace('r=8', 'r=99').replace('ln=10', 'ln=16'),
    good.replace('p=1', 'p=9'),
    `${good}$more`,
    good.slice(0, 40),
  ]) {
    t.throws(() => passwordHash(bad), bad)
    const route = { app: 'shop', domains: {}, upstreams: {}, auth: { realm: 'x', users: { ann: bad } } }
    t.throws(() => readRoute(route), bad)
  }
})
