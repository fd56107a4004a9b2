import t from 'tap'

import { blog, shop, store } from './fixture.ts'

t.test('an app keeps its domains in the order they came', async t => {
  const { apps, domains } = store(t)
  apps.add(shop)
  t.equal(domains.add(shop, 'z.test'), true)
  t.equal(domains.add(shop, '*.a.test'), true)
  t.equal(domains.add(shop, 'z.test'), false)
  t.strictSame(domains.of(shop), ['z.test', '*.a.test'])
  t.equal(domains.remove(shop, 'z.test'), true)
  t.equal(domains.remove(shop, 'z.test'), false)
  t.equal(domains.owner('z.test'), undefined)
})

t.test('a domain that two apps want stays with the first', async t => {
  const { apps, domains } = store(t)
  apps.add(shop)
  apps.add(blog)
  domains.add(shop, 'x.test')
  t.throws(() => domains.add(blog, 'x.test'), {
    code: 'domain-taken',
    message: 'x.test belongs to shop.',
    hint: 'Free it with: domains:remove shop x.test',
  })
  t.equal(domains.remove(blog, 'x.test'), false)
  t.equal(domains.owner('x.test'), 'shop')
})

t.test('what is no hostname is refused by the store too', async t => {
  const { apps, domains } = store(t)
  apps.add(shop)
  const bad = [
    '',
    'A.test',
    'a..b',
    '.a',
    'a.',
    'a b',
    'a/b',
    '*',
    '*a.test',
    'a.*.test',
    '**.a',
    '*.',
    'é.test',
    'a\0b',
    `${'a'.repeat(252)}.com`,
  ]
  for (const hostname of bad) t.throws(() => domains.add(shop, hostname), /CHECK/, JSON.stringify(hostname))
  for (const hostname of ['localhost', 'xn--9ca.test', '10.0.0.1', '*.x']) t.ok(domains.add(shop, hostname))
})

t.test('the global domains are replaced as a whole', async t => {
  const { domains } = store(t)
  t.strictSame(domains.global(), [])
  domains.setGlobal(['z.test', 'a.test', 'z.test'])
  t.strictSame(domains.global(), ['z.test', 'a.test'])
  t.throws(() => domains.setGlobal(['b.test', 'NO']), /CHECK/)
  t.strictSame(domains.global(), ['z.test', 'a.test'])
})
