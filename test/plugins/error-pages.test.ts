import { t } from 'tap'

import { shopBehind } from './loaded.ts'

t.test(
  'pages of one’s own are shown where Davit answers, a status’s own before that of its kind',
  async t => {
    const { say, ask, last } = await shopBehind(t, 'error-pages')
    t.match(await say('error-pages shop'), { code: 0, stderr: /no error pages/ })
    t.match(await say('error-pages:set shop 5xx', { input: '<p>trouble</p>' }), { code: 0 })
    t.match(await say('error-pages:set shop 502', { input: '<p>broken</p>\n' }), { code: 0 })
    t.match(last().pages, { '502': '<p>broken</p>\n', '503': '<p>trouble</p>', '504': '<p>trouble</p>' })
    t.equal(last().pages?.['404'], undefined)
    t.equal((await say('error-pages shop')).stdout, '502  14 bytes\n5xx  14 bytes\n')
    t.equal((await say('error-pages:export shop 502')).stdout, '<p>broken</p>\n')
    t.equal((await ask('/')).status, 200)
    await say('error-pages:unset shop 502')
    t.equal(last().pages?.['502'], '<p>trouble</p>')
    await say('error-pages:unset shop 5xx')
    t.equal(last().pages, undefined)
    t.match(await say('error-pages:export shop 502'), { code: 1 })
  },
)

t.test('a status that Davit never answers, and no page, are refused', async t => {
  const { say } = await shopBehind(t, 'error-pages')
  t.match(await say('error-pages:set shop 500', { input: 'x' }), {
    code: 1,
    stderr: /answers no 500 by itself/,
  })
  t.match(await say('error-pages:set shop 502', { input: '' }), { code: 1, stderr: /No page came in/ })
})
