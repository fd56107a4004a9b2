import t from 'tap'

import type { AppName } from '../../src/types.ts'
import { store } from './fixture.ts'

t.test('a plugin has values of its own, sorted by key', async t => {
  const { kv } = store(t)
  kv.set('postgres', 'b', { password: 'secret', ports: [5432] })
  kv.set('postgres', 'a', null)
  kv.set('postgres', 'a', 'again')
  kv.set('redis', 'b', 1)
  t.strictSame(kv.get('postgres', 'b'), { password: 'secret', ports: [5432] })
  t.strictSame(kv.list('postgres'), [
    { key: 'a', value: 'again' },
    { key: 'b', value: { password: 'secret', ports: [5432] } },
  ])
  kv.remove('postgres', 'b')
  kv.remove('postgres', 'b')
  t.equal(kv.get('postgres', 'b'), undefined)
  t.equal(kv.get('redis', 'b'), 1)
})

t.test('what JSON cannot say is refused', async t => {
  const { kv } = store(t)
  t.throws(() => kv.set('postgres', 'a', undefined), TypeError)
  t.throws(() => kv.set('postgres', 'a', () => {}), TypeError)
})

t.test(
  'what a plugin keeps for an app stays with it, goes with it, and another app can have the same',
  async t => {
    const { kv, apps } = store(t)
    const shop = apps.add('shop' as AppName)
    const twin = apps.add('twin' as AppName)
    kv.set('auth', 'state', 'of the plugin')
    kv.of(shop).set('auth', 'state', { users: ['ann'] })
    kv.of(shop).set('auth', 'state', { users: ['bob'] })
    kv.of(shop).set('pages', 'html', '<h1>')
    kv.copy(shop, twin)
    kv.of(shop).remove('pages', 'html')
    t.strictSame(kv.of(apps.rename('shop' as AppName, 'store' as AppName)).list('auth'), [
      { key: 'state', value: { users: ['bob'] } },
    ])
    t.strictSame(kv.of(shop).list('pages'), [])
    t.equal(kv.of(twin).get('pages', 'html'), '<h1>')
    t.equal(kv.get('auth', 'state'), 'of the plugin')
    apps.remove('store' as AppName)
    t.strictSame(kv.of(shop).list('auth'), [])
    t.throws(() => kv.of(shop).set('auth', 'state', 1), 'nothing is kept for an app that is gone')
    t.strictSame(kv.of(twin).get('auth', 'state'), { users: ['bob'] })
  },
)
