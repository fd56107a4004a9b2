import t from 'tap'

import { blog, shop, store } from './fixture.ts'

t.test('values are set and unset together, and listed by key', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  t.equal(config.change(shop, { set: { B: '2', A: 'one\ntwo', C: '' } }), true)
  t.equal(config.change(shop, { set: { B: '3' }, unset: ['A', 'NONE'] }), true)
  t.strictSame(config.list(shop), [
    { key: 'B', value: '3', owner: '' },
    { key: 'C', value: '', owner: '' },
  ])
})

t.test('a change that changes nothing says so', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  config.change(shop, { set: { A: '1' } })
  t.equal(config.change(shop, { set: { A: '1' }, unset: ['B'] }), false)
  t.equal(config.change(shop, {}), false)
})

t.test('a key that is both set and unset is set', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  t.equal(config.change(shop, { set: { A: '1' }, unset: ['A'] }), true)
  t.equal(config.change(shop, { set: { A: '1' }, unset: ['A'] }), false)
  t.match(config.list(shop), [{ key: 'A', value: '1' }])
})

t.test('the host and each app have values of their own', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  apps.add(blog)
  config.change(undefined, { set: { A: 'host' } })
  config.change(undefined, { set: { A: 'host again' } })
  config.change(shop, { set: { A: 'shop' } })
  t.match(config.list(undefined), [{ value: 'host again' }])
  t.match(config.list(shop), [{ value: 'shop' }])
  t.strictSame(config.list(blog), [])
  t.equal(config.change(undefined, { unset: ['A'] }), true)
  t.match(config.list(shop), [{ value: 'shop' }])
})

t.test('what a plugin provides is its own, and what a person set is theirs', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  config.change(shop, { set: { DATABASE_URL: 'postgres://' }, owner: 'postgres' })
  config.change(shop, { set: { GREETING: 'hello' } })
  t.throws(() => config.change(shop, { set: { GREETING: 'hi', DATABASE_URL: 'mine' } }), {
    code: 'config-owned',
    message: 'DATABASE_URL is provided by postgres.',
  })
  t.throws(() => config.change(shop, { unset: ['DATABASE_URL'] }), { code: 'config-owned' })
  t.throws(() => config.change(shop, { set: { GREETING: '' }, owner: 'redis' }), { message: /by a person/ })
  t.strictSame(config.list(shop), [
    { key: 'DATABASE_URL', value: 'postgres://', owner: 'postgres' },
    { key: 'GREETING', value: 'hello', owner: '' },
  ])
  t.equal(config.change(shop, { unset: ['DATABASE_URL'], owner: 'postgres' }), true)
})

t.test('keys are shell identifiers, or nothing of the change is kept', async t => {
  const { apps, config } = store(t)
  apps.add(shop)
  for (const key of ['', '1A', 'A-B', 'A=B', 'A\0B', 'Ä', 'A\n']) {
    t.throws(() => config.change(shop, { set: { OK: '1', [key]: '1' } }), /CHECK/)
  }
  t.strictSame(config.list(shop), [])
})

t.test('an app that is not there cannot be given values', async t => {
  const { config } = store(t)
  t.throws(() => config.change(shop, { set: { A: '1' } }), { code: 'app-missing' })
  t.strictSame(config.list(shop), [])
})
