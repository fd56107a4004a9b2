import { t } from 'tap'

import { attackRoutes } from '../../scripts/attack.d/routes.ts'
import { hostnameOf } from '../../src/proxy/hostname.ts'
import { openTable } from '../../src/proxy/table.ts'
import { routeOf } from './stage.ts'

const upstream = { host: '10.0.0.1', port: 5000 }

t.test('a host field becomes a hostname, or nothing', async t => {
  for (const [host, hostname] of [
    ['shop.test', 'shop.test'],
    ['SHOP.Test:8080', 'shop.test'],
    ['shop.test.', 'shop.test'],
    ['shop.test.:80', 'shop.test'],
    ['b\xc3\xbccher.test', 'xn--bcher-kva.test'],
    ['XN--bcher-kva.test', 'xn--bcher-kva.test'],
    ['my_shop.test', 'my_shop.test'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]:80', '::1'],
    ['[2001:DB8::1]', '2001:db8::1'],
  ] as const) {
    t.equal(hostnameOf(host), hostname, host)
  }
  for (const host of [
    '',
    '.',
    '..',
    'a..b',
    '.a',
    'a b',
    'a/b',
    'a@b',
    'a:b',
    'a:80:80',
    '[::1',
    'a,b',
    '\xff',
    'a\0b',
    `${'a'.repeat(254)}`,
  ]) {
    t.equal(hostnameOf(host), undefined, JSON.stringify(host))
  }
})

t.test('a hostname finds its own domain first, then the longest wildcard', async t => {
  const table = openTable([
    routeOf('wide', ['*.test'], [upstream]),
    routeOf('long', ['*.shop.test'], [upstream]),
    routeOf('own', ['a.shop.test', 'test'], [upstream]),
  ])
  t.equal(table.find('a.shop.test')?.route.app, 'own')
  t.equal(table.find('b.shop.test')?.route.app, 'long')
  t.equal(table.find('b.c.shop.test')?.route.app, 'long')
  t.equal(table.find('shop.test')?.route.app, 'wide')
  t.equal(table.find('test')?.route.app, 'own')
  t.equal(table.find('other'), undefined)
  for (const odd of ['__proto__', 'constructor', 'tostring']) t.equal(table.find(odd), undefined)
})

t.test('what was found last is not found any more once it leads elsewhere', t => {
  const table = openTable([routeOf('shop', ['shop.test'], [upstream])])
  const found = () => [table.find('shop.test')?.route.app, table.find('shop.test')?.route.app]
  t.same(found(), ['shop', 'shop'])
  table.point(routeOf('shop', ['other.test'], [upstream]))
  t.same(found(), [undefined, undefined])
  table.point(routeOf('wide', ['*.test'], [upstream]))
  t.same(found(), ['wide', 'wide'])
  table.point(routeOf('new', ['shop.test'], [upstream]))
  t.same(found(), ['new', 'new'])
  table.forget('new')
  t.same(found(), ['wide', 'wide'])
  table.sync([])
  t.same(found(), [undefined, undefined])
  t.end()
})

t.test('pointing replaces an app’s route, forgetting takes it away', async t => {
  const table = openTable([routeOf('shop', ['old.test'], [upstream])])
  table.point(routeOf('shop', ['new.test'], []))
  t.equal(table.find('old.test'), undefined)
  t.same(table.find('new.test')?.route.upstreams, {})
  t.equal(table.routes().length, 1)
  table.forget('shop')
  t.equal(table.find('new.test'), undefined)
  table.forget('nobody')
})

t.test('a hostname that went from one app to another stays where it went', async t => {
  const table = openTable([routeOf('one', ['a.test'], [upstream])])
  table.point(routeOf('two', ['a.test'], [upstream]))
  table.point(routeOf('one', ['b.test'], [upstream]))
  t.equal(table.find('a.test')?.route.app, 'two')
})

t.test('hosts and paths in every spelling lead where the plain rules say, while routes change', async t => {
  const { signal } = new AbortController()
  const { wrong, counts } = attackRoutes({ seed: 4, apps: 500, pairs: 20_000, signal })
  t.same(wrong, [])
  for (const [name, count] of Object.entries(counts)) t.ok(count > 1_000, `${name}: ${count}`)
})
