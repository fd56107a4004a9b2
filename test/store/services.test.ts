import { readFileSync } from 'node:fs'

import t from 'tap'

import { place, shop, store } from './fixture.ts'

const spec = { image: 'davit/stack-base', ready: ['true'], env: { PASSWORD: 'hunter2hunter2' } }
const db = { plugin: 'postgres', name: 'db', host: 'davit-postgres-db', subnet: '10.9.0.0/26', spec }

t.test('a service has its name within its plugin, and its host for itself', async t => {
  const { services } = store(t)
  const made = services.add(db)
  t.match(made, { plugin: 'postgres', name: 'db', state: 'making' })
  t.strictSame(services.spec(made), spec)
  t.throws(() => services.add(db), /UNIQUE/)
  t.throws(() => services.add({ ...db, plugin: 'redis', subnet: '10.9.1.0/26' }), /services.host/)
  services.add({ ...db, plugin: 'redis', host: 'davit-redis-db', subnet: '10.9.1.0/26' })
  t.same(
    services.list().map(each => `${each.plugin} ${each.name}`),
    ['postgres db', 'redis db'],
  )
  services.remove(made)
  t.equal(services.find('postgres', 'db'), undefined)
})

t.test('what it was changed to stands, or is gone back on', async t => {
  const { services } = store(t)
  const made = services.add(db)
  const larger = { ...spec, memoryBytes: 1 << 30 }
  services.change(made, larger)
  t.match(services.find('postgres', 'db'), { state: 'changing' })
  t.strictSame(services.spec(made), larger)
  services.revert(made)
  t.match(services.find('postgres', 'db'), { state: 'wanted' })
  t.strictSame(services.spec(made), spec)
  services.change(made, larger)
  services.settle(made)
  t.strictSame(services.spec(made), larger)
  services.revert(made)
  t.strictSame(services.spec(made), larger, 'what was settled is not gone back on')
})

t.test('a link holds an address of the app, and goes with either', async t => {
  const { services, apps, networks } = store(t)
  const app = apps.add(shop)
  networks.add({ app: shop, name: 'davit-shop', subnet: '10.8.0.0/26' })
  const made = services.add(db)
  const address = networks.takeAddress(shop)
  services.link(made, app, { address, keys: ['DATABASE_URL'] })
  t.match(services.links(), [{ app: shop, address, keys: ['DATABASE_URL'], leftAt: undefined }])
  const others = Array.from({ length: 60 }, () => networks.takeAddress(shop))
  t.notOk(others.includes(address))
  services.leave(made, app)
  t.ok(services.links()[0]?.leftAt)
  services.link(made, app, { address, keys: ['DATABASE_URL', 'OTHER'] })
  t.match(services.links(), [{ keys: ['DATABASE_URL', 'OTHER'], leftAt: undefined }], 'it is whole again')
  apps.remove(shop)
  t.same(services.links(), [])
  const again = apps.add(shop)
  services.link(made, again, { address, keys: [] })
  services.remove(made)
  t.same(services.links(), [])
})

t.test('a password of a service is in no file', t => {
  const at = place(t)
  const { services } = store(t, { at })
  services.change(services.add(db), spec)
  for (const end of ['', '-wal']) t.notMatch(readFileSync(at.file + end, 'latin1'), /hunter2hunter2/)
  t.end()
})
