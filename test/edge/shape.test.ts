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

t.test('everything that an app may have set passes', async t => {
  const hash = `$scrypt$ln=14,r=8,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`
  const whole = {
    ...route,
    release: 7,
    protocol: 'grpc',
    redirects: { 'old.test': { to: 'shop.test', status: 308 } },
    auth: { realm: 'Shop', users: { me: hash }, allowed: { '10.0.0.0/8': true } },
    lists: { allow: { '::1': true }, deny: { '2001:db8::/32': true } },
    headers: { 'X-Frame-Options': 'DENY', 'X-Powered-By': '' },
    maintenance: { page: '<h1>Soon</h1>' },
    pages: { 502: '<h1>Oh</h1>' },
    limits: { bodyBytes: 0, answerMs: 1000 },
    rate: { requests: 10, seconds: 1, burst: 5 },
    compress: false,
    https: { redirect: true, hsts: { maxAge: 1, includeSubdomains: true, preload: false } },
    sticky: true,
    health: '/up',
    canary: { percent: 5, release: 8, upstreams: {} },
    log: 'off',
    mounts: {
      '/static': { files: '/srv/static' },
      '/hook': { plugin: 'hook', socket: '/srv/http.sock', open: true },
    },
    ports: { 9000: { scheme: 'tcp', upstreams: {} } },
  }
  t.same(routesOf([whole]), [whole])
})

t.test('what an app may not have set, throws', async t => {
  const bad: Record<string, unknown>[] = [
    { release: -1 },
    { protocol: 'ftp' },
    { redirects: { 'old.test': { to: 'a b', status: 301 } } },
    { redirects: { 'old.test': { to: 'a', status: 200 } } },
    { redirects: { 'Old.test': { to: 'a', status: 301 } } },
    { auth: { realm: '', users: {} } },
    { auth: { realm: 'a', users: { me: 'plain' } } },
    { lists: { allow: { name: true } } },
    { lists: { deny: { '10.0.0.0/33': true } } },
    { headers: { 'a b': 'c' } },
    { headers: { a: 'b\r\nc: d' } },
    { headers: { 'Content-Length': '1' } },
    { headers: { 'transfer-encoding': '' } },
    { pages: { 200: 'x' } },
    { limits: { more: 1 } },
    { limits: { answerMs: -1 } },
    { rate: { requests: 0, seconds: 1, burst: 0 } },
    { compress: 'no' },
    { https: {} },
    { health: 'up' },
    { canary: { percent: 101, release: 1, upstreams: {} } },
    { log: 'xml' },
    { mounts: { '/x': { files: 'relative' } } },
    { mounts: { '/x': { plugin: 'x' } } },
    { mounts: { '/x': { plugin: 'x', socket: '/s', open: 1 } } },
    { ports: { 0: { scheme: 'tcp', upstreams: {} } } },
    { ports: { 1: { scheme: 'udp', upstreams: {} } } },
  ]
  for (const each of bad) t.throws(() => routesOf([{ ...route, ...each }]), JSON.stringify(each))
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
    { id: 1, verb: 'rename', was: 'shop', app: '../x' },
    { id: 1, verb: 'rename', app: 'shop' },
    { id: 1, verb: 'metrics', app: '' },
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
