import { t } from 'tap'

import type { AppName, Route } from '../../src/types.ts'
import { shopBehind } from './loaded.ts'

t.test('a clone is protected and dressed as the other app is, and is its own', async t => {
  const names = ['error-pages', 'headers', 'http-auth', 'maintenance', 'redirect']
  const { say, told, last, rooms } = await shopBehind(t, ...names)
  await say('http-auth:enable shop ann s3cret')
  await say('headers:set shop X-Frame-Options DENY')
  await say('error-pages:set shop 502', { input: '<h1>Back in a moment</h1>' })
  await say('maintenance:custom-page shop', { input: '<h1>Closed</h1>' })
  await say('maintenance:enable shop')
  await say('redirect:set shop old.test shop.test')
  t.match(await say('apps:clone shop twin'), { code: 0 })
  t.strictSame(rooms.store.dependencies.of('twin' as AppName), ['http-auth'])
  t.notMatch((await say('redirect twin')).stdout, /old.test/, 'hostnames stay where they are')

  const twin = () => told.findLast(each => (each as Route).app === 'twin') as Route
  const { auth, headers, pages } = last()
  t.ok(auth && headers && pages)
  t.match(twin(), { auth, headers, pages })
  t.notOk(twin().maintenance, 'it is open all the same')
  t.match((await say('maintenance:custom-page-export twin')).stdout, '<h1>Closed</h1>')

  await say('headers:set twin X-Frame-Options SAMEORIGIN')
  await say('http-auth:disable twin')
  t.match(last(), { auth, headers })
  await say('--force apps:destroy twin')
  await say('headers:set shop X-Other 1')
  t.match(last(), { auth, headers, pages })
})
