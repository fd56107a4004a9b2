import { t } from 'tap'

import { shopBehind } from './loaded.ts'

t.test('fields are added, taken away, and left as they were', async t => {
  const { say, ask } = await shopBehind(t, 'headers')
  t.match(await say('headers shop'), { code: 0, stderr: /with their own fields/ })
  t.match(await say("headers:set shop Content-Security-Policy 'default-src self; img-src *'"), { code: 0 })
  t.match(await say('headers:remove shop x-powered-by'), { code: 0 })
  const { headers } = await ask('/')
  t.equal(headers['content-security-policy'], 'default-src self; img-src *')
  t.notOk('x-powered-by' in headers)
  t.equal(
    (await say('headers shop')).stdout,
    'Content-Security-Policy: default-src self; img-src *\nx-powered-by (taken away)\n',
  )
  await say('headers:unset shop X-Powered-By')
  t.match((await ask('/')).headers, { 'x-powered-by': 'cats' })
  await say('headers:set shop content-security-policy none')
  t.equal((await say('headers shop')).stdout, 'content-security-policy: none\n', 'a field is there once')
})

t.test('what cannot be said in an answer is not kept', async t => {
  const { say, last } = await shopBehind(t, 'headers')
  const before = last()
  for (const line of ["'a b' c", 'Content-Length 5', 'transfer-encoding chunked', "X 'a\r\nb: c'", "X ''"])
    t.match(await say(`headers:set shop ${line}`), { code: 1, stderr: / ! {5}/ }, JSON.stringify(line))
  t.match(await say('headers shop'), { stdout: '' })
  t.same(last(), before)
})
