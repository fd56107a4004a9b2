import { t } from 'tap'

import { answerOf, requestOf, routesOf } from '../../src/edge/shape.ts'

const route = {
  app: 'shop',
  domains: { '*.shop.test': true },
  upstreams: { a: { host: '10.0.0.1', port: 5000 } },
}

t.test('what is well shaped passes, without anything more', async t => {
  t.same(requestOf({ id: 1, verb: 'point', route: { ...route, more: 1 }, more: 2 }), {
    id: 1,
    verb: 'point',
    route,
  })
  t.same(routesOf([{ ...route, domains: { '10.0.0.1': true, '::1': true, 'a_b.test': true } }]).length, 1)
  t.same(answerOf({ id: 1, ok: true, value: 3 }), { id: 1, ok: true, value: 3 })
})

t.test('a route to files names a folder, whole and plain', async t => {
  t.match(routesOf([{ ...route, files: '/srv/a' }]), [{ files: '/srv/a' }])
  for (const files of ['', 'srv/a', '/srv/../etc', '/srv//a', '/srv/a\0', 7, null, `/${'a'.repeat(5000)}`])
    t.throws(() => routesOf([{ ...route, files }]), { message: /files/ }, JSON.stringify(files).slice(0, 20))
})

t.test('what is not, throws', async t => {
  const bad: unknown[] = [
    null,
    'text',
    [],
    {},
    { id: '1', verb: 'stats' },
    { id: -1, verb: 'stats' },
    { id: 1.5, verb: 'stats' },
    { id: 1, verb: 'toString' },
    { id: 1, verb: 'sync', routes: {} },
    { id: 1, verb: 'sync', routes: [null] },
    { id: 1, verb: 'forget', app: '' },
    { id: 1, verb: 'forget', app: '../x' },
    { id: 1, verb: 'drain', upstreams: [1], timeoutMs: 1 },
    { id: 1, verb: 'drain', upstreams: [], timeoutMs: Number.NaN },
    ...['Shop.test', 'a b', '*.*.test', 'a..b', '*', '', 'x'.repeat(300)].map(name => ({
      id: 1,
      verb: 'point',
      route: { ...route, domains: { [name]: true } },
    })),
    ...[
      { host: 'name.test', port: 1 },
      { host: '10.0.0.1', port: 0 },
      { host: '10.0.0.1', port: 65536 },
      null,
    ].map(upstream => ({ id: 1, verb: 'point', route: { ...route, upstreams: { a: upstream } } })),
  ]
  for (const value of bad) t.throws(() => requestOf(value), JSON.stringify(value))
  for (const value of [null, {}, { id: 1 }, { id: 1, ok: 1 }, { id: 1, ok: false, error: 5 }])
    t.throws(() => answerOf(value))
})
