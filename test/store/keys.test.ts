import t from 'tap'

import { store } from './fixture.ts'

const key = {
  name: 'laptop',
  person: 'ana',
  role: 'admin',
  fingerprint: 'SHA256:a',
  type: 'ssh-ed25519',
  blob: 'AAAA',
} as const

t.test('a key is found by its fingerprint, its name and its person', async t => {
  const { keys } = store(t)
  const laptop = keys.add(key)
  const desktop = keys.add({ ...key, name: 'desktop', fingerprint: 'SHA256:b' })
  t.match(laptop, { ...key, addedAt: Date })
  t.strictSame(keys.find('SHA256:a'), laptop)
  t.equal(keys.find('SHA256:c'), undefined)
  t.strictSame(keys.named('laptop'), [laptop])
  t.strictSame(keys.named('ana'), [desktop, laptop])
  t.strictSame(keys.list(), [desktop, laptop])
})

t.test('a key or a name that is known is not taken twice', async t => {
  const { keys } = store(t)
  keys.add(key)
  t.throws(() => keys.add({ ...key, name: 'other' }), { code: 'key-taken', message: /there as laptop/ })
  t.throws(() => keys.add({ ...key, fingerprint: 'SHA256:b' }), { code: 'name-taken' })
  t.equal(keys.list().length, 1)
})

t.test('one more key does not change what a person may do', async t => {
  const { keys } = store(t)
  keys.add({ ...key, role: 'viewer' })
  t.throws(() => keys.add({ ...key, name: 'b', fingerprint: 'SHA256:b' }), { code: 'role-differs' })
  t.match(keys.list(), [{ role: 'viewer' }])
})

t.test('a person is there as long as they have a key', async t => {
  const { keys } = store(t)
  keys.add({ ...key, role: 'viewer' })
  keys.remove('SHA256:a')
  keys.remove('SHA256:a')
  t.strictSame(keys.named('ana'), [])
  t.match(keys.add(key), { person: 'ana', role: 'admin' })
})

t.test('names that would confuse a terminal are refused', async t => {
  const { keys } = store(t)
  for (const name of ['', 'a\0b', 'a\nb', 'a\x1b[2J', 'a\x9b']) {
    t.throws(() => keys.add({ ...key, name }), /CHECK/)
    t.throws(() => keys.add({ ...key, person: name }), /CHECK/)
  }
  t.ok(keys.add({ ...key, name: 'José’s laptop', person: 'josé@host' }))
})
