import t from 'tap'

import type { AppName } from '../../src/types.ts'
import { blog, newContainer, newRelease, shop, store } from './fixture.ts'

t.test('apps are listed by name', async t => {
  const at = new Date('2026-01-02T03:04:05.678Z')
  const { apps } = store(t, { now: () => at })
  const added = apps.add(shop)
  apps.add(blog)
  t.match(added, { name: 'shop', createdAt: at, retired: false })
  t.strictSame(apps.find('shop'), added)
  t.strictSame(
    apps.list().map(app => app.name),
    ['blog', 'shop'],
  )
})

t.test('a name belongs to one app', async t => {
  const { apps } = store(t)
  apps.add(shop)
  t.throws(() => apps.add(shop), { code: 'name-taken', message: 'Name is already taken' })
})

t.test('names that are no app names are refused by the store too', async t => {
  const { apps } = store(t)
  const bad = [
    '',
    '-a',
    'a-',
    '.a',
    'a.',
    'a..b',
    'a.-b',
    'a-.b',
    'A',
    'a_b',
    'a/b',
    'a b',
    'é',
    'a\0b',
    'a\n',
    '*',
    'a'.repeat(64),
  ]
  for (const name of bad) t.throws(() => apps.add(name as AppName), /CHECK/, JSON.stringify(name))
  for (const name of ['a', '0', 'a-b', 'a--b', 'a.b', 'a.b-c.d', 'a'.repeat(63)])
    t.ok(apps.add(name as AppName))
})

t.test('an app being destroyed is marked', async t => {
  const { apps } = store(t)
  apps.add(shop)
  apps.retire(shop)
  t.match(apps.find('shop'), { retired: true })
  t.throws(() => apps.retire(blog), { code: 'app-missing', exit: 20 })
})

t.test('everything of an app goes with it, and a later one of its name starts anew', async t => {
  const { apps, config, domains, formation, properties, releases, networks, containers, steps } = store(t)
  const old = apps.add(shop)
  apps.add(blog)
  config.change(shop, { set: { A: '1' } })
  config.change(undefined, { set: { B: '2' } })
  domains.add(shop, 'shop.test')
  domains.add(blog, 'blog.test')
  formation.set(shop, { web: 2 })
  properties.set('checks', shop, 'wait', '5')
  releases.add(shop, newRelease())
  releases.makeLive(shop, 1)
  networks.add({ app: shop, name: 'davit-shop', subnet: '10.0.0.0/26' })
  containers.add(shop, newContainer({ address: networks.takeAddress(shop) }))
  steps.begin(shop, { kind: 'destroy', phase: 'begun', data: {} })

  apps.remove(shop)
  apps.remove(shop)
  t.strictSame(
    apps.list().map(app => app.name),
    ['blog'],
  )
  t.throws(() => releases.add(shop, newRelease()), { code: 'app-missing' })

  const anew = apps.add(shop)
  t.not(anew.id, old.id)
  t.strictSame(config.list(shop), [])
  t.match(config.list(undefined), [{ key: 'B' }])
  t.strictSame(domains.of(shop), [])
  t.strictSame(domains.of(blog), ['blog.test'])
  t.strictSame(formation.of(shop), {})
  t.equal(properties.get('checks', shop, 'wait'), undefined)
  t.strictSame(releases.list(shop), [])
  t.equal(releases.live(shop), undefined)
  t.equal(networks.of(shop), undefined)
  t.strictSame(containers.list(), [])
  t.strictSame(steps.list(), [])
  t.equal(releases.add(shop, newRelease()).number, 1)
})
