import t from 'tap'

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
