import { t } from 'tap'

import { shopBehind } from './loaded.ts'

t.test('a hostname leads to another, and again to the app', async t => {
  const { say, ask } = await shopBehind(t, 'redirect')
  t.match(await say('redirect shop'), { code: 0, stderr: /There are no redirects for shop/ })
  t.match(await say('redirect:set shop OLD.test shop.test'), { code: 0, stdout: /done/ })
  const moved = await ask('/x?y=1', { host: 'old.test' })
  t.match(moved, { status: 301, headers: { location: 'http://shop.test/x?y=1' } })
  t.equal((await ask('/')).status, 200)
  await say('redirect:set shop page.test https://else.test/there 302')
  t.match(await ask('/x', { host: 'page.test' }), {
    status: 302,
    headers: { location: 'https://else.test/there' },
  })
  t.equal(
    (await say('redirect shop')).stdout,
    [
      'SOURCE     DESTINATION              CODE',
      'old.test   shop.test                301',
      'page.test  https://else.test/there  302',
      '',
    ].join('\n'),
  )
  t.match(await say('redirect:set shop old.test other.test 308'), { code: 0 })
  t.match(await ask('/', { host: 'old.test' }), { status: 308, headers: { location: 'http://other.test/' } })
  t.match(await say('redirect:unset shop old.test'), { code: 0 })
  t.equal((await ask('/', { host: 'old.test' })).status, 404, 'it was the app’s for this only')
  t.match(await say('redirect:unset shop old.test'), { code: 1, stderr: /not redirected/ })
})

t.test('a hostname that was the app’s before stays so', async t => {
  const { say, ask, core } = await shopBehind(t, 'redirect')
  await say('domains:add shop www.shop.test')
  await say('redirect:set shop www.shop.test shop.test')
  t.equal((await ask('/', { host: 'www.shop.test' })).status, 301)
  await say('redirect:unset shop www.shop.test')
  t.equal((await ask('/', { host: 'www.shop.test' })).status, 200)
  t.same(core.domains.of(core.apps.get('shop').name), ['shop.test', 'www.shop.test'])
})

t.test('what would lead nowhere, in circles, or to another’s name is refused', async t => {
  const { say, last } = await shopBehind(t, 'redirect')
  await say('apps:create blog')
  await say('domains:add blog blog.test')
  await say('redirect:set shop a.test b.test')
  const before = last()
  for (const [line, stderr] of [
    ['shop.test shop.test', /come back to itself/],
    ['shop.test https://SHOP.test/x', /come back to itself/],
    ['b.test a.test', /come back to itself/],
    ['blog.test shop.test', /belongs to blog/],
    ['c.test ftp://x.test/', /no address to lead to/],
    ['c.test https://', /no address to lead to/],
    ['c.test *.x.test', /no address to lead to/],
    ["c.test 'https://x.test/a b'", /no address to lead to/],
    ['c.test x.test/path', /no address to lead to/],
    ['c.test x.test 200', /not one of: 301/],
    ['not/a/host x.test', /is invalid/],
  ] as const)
    t.match(await say(`redirect:set shop ${line}`), { code: 1, stderr }, line)
  t.same(last(), before)
})
