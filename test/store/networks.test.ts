import t from 'tap'

import { blog, newContainer, newRelease, shop, store } from './fixture.ts'

t.test('an app has one network, and a subnet belongs to one', async t => {
  const { apps, networks } = store(t)
  apps.add(shop)
  apps.add(blog)
  const network = { app: shop, name: 'davit-shop', subnet: '10.0.0.64/26' }
  networks.add(network)
  t.strictSame(networks.of(shop), network)
  t.throws(() => networks.add({ ...network, app: blog, name: 'davit-blog' }), /UNIQUE/)
  t.strictSame(networks.list(), [network])
  networks.remove(shop)
  t.equal(networks.of(shop), undefined)
  networks.add(network)
  t.equal(networks.takeAddress(shop), '10.0.0.66')
})

t.test('what is no /26 is refused', async t => {
  const { apps, networks } = store(t)
  apps.add(shop)
  for (const subnet of ['10.0.0.0/24', '10.0.0.1/26', '10.0.256.0/26', 'fd00::/26', '', '10.0.0.0']) {
    t.throws(() => networks.add({ app: shop, name: 'davit-shop', subnet }), /is not an IPv4 \/26/)
  }
})

t.test('each of the 61 addresses is taken once before the first comes again', async t => {
  const { apps, networks } = store(t)
  apps.add(shop)
  networks.add({ app: shop, name: 'davit-shop', subnet: '10.0.0.64/26' })
  const all = Array.from({ length: 61 }, (_, at) => `10.0.0.${66 + at}`)
  t.strictSame(
    all.map(() => networks.takeAddress(shop)),
    all,
  )
  t.strictSame(
    all.map(() => networks.takeAddress(shop)),
    all,
  )
})

t.test('an address that a container holds is never taken, and when all are held that is said', async t => {
  const { apps, networks, containers, releases } = store(t)
  apps.add(shop)
  releases.add(shop, newRelease())
  networks.add({ app: shop, name: 'davit-shop', subnet: '10.0.0.0/26' })
  const held = new Set<string>()
  for (let index = 1; index <= 61; index++) {
    const address = networks.takeAddress(shop)
    t.notOk(held.has(address))
    held.add(address)
    containers.add(shop, newContainer({ index, address, name: `davit-shop.web.${index}.abcd` }))
  }
  t.throws(() => networks.takeAddress(shop), { code: 'addresses-out' })
  containers.remove(containers.of(shop)[30]!.id)
  t.equal(networks.takeAddress(shop), '10.0.0.32')
})

t.test('an address that was just freed is the last to come again, however long it was held', async t => {
  const { apps, networks, containers, releases } = store(t)
  apps.add(shop)
  releases.add(shop, newRelease())
  networks.add({ app: shop, name: 'davit-shop', subnet: '10.0.0.0/26' })
  const first = networks.takeAddress(shop)
  const { id } = containers.add(shop, newContainer({ address: first }))
  for (let at = 0; at < 60; at++) t.not(networks.takeAddress(shop), first)
  containers.remove(id)
  for (let at = 0; at < 60; at++) t.not(networks.takeAddress(shop), first)
  t.equal(networks.takeAddress(shop), first)
})

t.test('an app without a network has no addresses', async t => {
  const { apps, networks } = store(t)
  apps.add(shop)
  t.throws(() => networks.takeAddress(shop), /has no network/)
  t.throws(() => networks.takeAddress(blog), { code: 'app-missing' })
})
