import { t } from 'tap'

import { openRates } from '../../src/proxy/gates/rates.ts'
import { networkOf } from '../../src/proxy/trust.ts'
import type { Route } from '../../src/types.ts'
import { type Asking, backend, dial, routeOf, routeTo, stage } from './stage.ts'

const from = (address: string): Asking => ({ headers: { 'x-forwarded-for': address } })
const browser = { headers: { accept: 'text/html' } }

/** The app `shop` with these settings, behind a proxy at 127.0.0.1 that is believed. */
async function shopWith(t: Parameters<typeof stage>[0], settings: Partial<Route>) {
  const asked: string[] = []
  const app = await backend(t, (req, res) => {
    asked.push(`${req.method} ${req.url}`)
    res.setHeader('X-Powered-By', 'cats')
    res.end('the app')
  })
  const house = await stage(t, [{ ...routeTo(app), ...settings }], {}, ['127.0.0.1'])
  return { ...house, app, asked }
}

t.test('who is denied, or not among the allowed, never reaches the app', async t => {
  const { ask, asked, point, app } = await shopWith(t, {
    lists: {
      deny: { '10.0.0.0/8': true, '2001:db8::/32': true },
      allow: { '10.1.0.0/16': true, '192.0.2.7': true },
    },
  })
  for (const [address, status] of [
    ['10.1.2.3', 403],
    ['2001:db8::1', 403],
    ['192.0.2.7', 200],
    ['192.0.2.8', 403],
    ['::ffff:192.0.2.7', 200],
    ['nonsense', 403],
  ] as const)
    t.equal((await ask('/', from(address))).status, status, address)
  t.equal(asked.length, 2)
  t.match((await ask('/', from('10.1.2.3'))).body, /^This is not open to you\./)
  point({ ...routeTo(app), lists: { deny: { '10.0.0.0/8': true } } })
  t.equal((await ask('/', from('192.0.2.8'))).status, 200)
  t.equal((await ask('/', from('10.0.0.1'))).status, 403)
})

t.test('a client that comes too often is told when to come again, and others are not', async t => {
  const settings = { rate: { requests: 1, seconds: 60, burst: 3 } }
  const { ask, asked, point, app } = await shopWith(t, settings)
  const status = async (address: string) => (await ask('/', from(address))).status
  for (const expected of [200, 200, 200, 429, 429]) t.equal(await status('192.0.2.1'), expected)
  t.equal(await status('192.0.2.2'), 200)
  const late = await ask('/', from('192.0.2.1'))
  t.match(late.headers['retry-after'], /^(60|[1-5]\d)$/)
  t.equal(asked.length, 4)
  point({ ...routeTo(app), ...settings, release: 2 })
  t.equal(await status('192.0.2.1'), 429, 'a new route gives nobody a fresh allowance')
  t.equal(await status('2001:db8:0:1::a'), 200)
  await status('2001:db8:0:1::b')
  await status('2001:db8:0:1:ffff::c')
  t.equal(await status('2001:db8:0:1::d'), 429, 'a /64 is one client')
  t.equal(await status('2001:db8:0:2::d'), 200)
})

t.test('an allowance comes back at its pace, up to the burst', async t => {
  const rates = openRates(3)
  const rate = { requests: 10, seconds: 1, burst: 2 }
  const take = (client: string, at: number) => rates.take(client, rate, at)
  t.same([take('a', 0), take('a', 0), take('a', 0)], [0, 0, 100])
  t.same([take('a', 99), take('a', 100), take('a', 100)], [1, 0, 100])
  t.same([take('a', 5000), take('a', 5000), take('a', 5000)], [0, 0, 100])
  const steady = Array.from({ length: 1000 }, (_, at) => take('b', 1000 + at * 100))
  t.same(new Set(steady), new Set([0]))
  for (const client of ['c', 'd', 'e', 'f']) take(client, 0)
  t.equal(rates.size, 3, 'only so many are remembered')
  t.equal(take('a', 5000), 0, 'who came longest ago is forgotten first')
  t.equal(rates.take('z', { requests: 1, seconds: 1, burst: 0 }, 0), 0, 'a burst of none is one of one')
})

t.test('an address of IPv6 counts by its network', async t => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1::', '2001:db8:1:0'],
    ['::1', '0:0:0:0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['1:2:3:4:5::', '1:2:3:4'],
  ] as const)
    t.equal(networkOf(address), network)
})

t.test('a hostname leads to another, with path and query as they came', async t => {
  const { ask, raw, asked } = await shopWith(t, {
    domains: {
      'shop.test': true,
      'old.test': true,
      '*.old.test': true,
      'page.test': true,
      'bare.test': true,
    },
    redirects: {
      'old.test': { to: 'shop.test', status: 301 },
      '*.old.test': { to: 'shop.test:8443', status: 307 },
      'page.test': { to: 'https://else.test/there?x=1', status: 302 },
      'bare.test': { to: 'https://else.test', status: 308 },
    },
  })
  const lead = async (host: string, path: string, more: Asking = {}) => {
    const { status, headers } = await ask(path, { ...more, host })
    return [status, headers.location]
  }
  t.same(await lead('old.test', '//evil.test/..?a=b&c'), [301, 'http://shop.test//evil.test/..?a=b&c'])
  t.same(await lead('OLD.test:8080', '/'), [301, 'http://shop.test/'])
  t.same(await lead('a.old.test', '/x'), [307, 'http://shop.test:8443/x'])
  t.same(await lead('page.test', '/any?thing'), [302, 'https://else.test/there?x=1'])
  t.same(await lead('bare.test', '/x?y'), [308, 'https://else.test/x?y'])
  const secure = { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' } }
  t.same(await lead('old.test', '/x', secure), [301, 'https://shop.test/x'])
  t.same(asked, [])
  t.equal((await ask('/')).body, 'the app')
  const bytes = await raw(
    'GET /"<> HTTP/1.1\r\nHost: old.test\r\nAccept: text/html\r\nConnection: close\r\n\r\n',
  )
  t.match(bytes, /\r\nLocation: http:\/\/shop\.test\/"<>\r\n/)
  t.notMatch(bytes.split('\r\n\r\n')[1], /"<>/)
  t.match(
    await raw('OPTIONS * HTTP/1.1\r\nHost: old.test\r\nConnection: close\r\n\r\n'),
    /\r\nLocation: http:\/\/shop\.test\/\r\n/,
  )
})

t.test('maintenance shows everybody its page, but for those who look after the app', async t => {
  const { ask, asked, point, app } = await shopWith(t, { maintenance: { allowed: { '192.0.2.0/24': true } } })
  const closed = await ask('/', from('198.51.100.1'))
  t.match(closed, { status: 503, headers: { 'retry-after': '120', 'cache-control': 'no-store' } })
  t.match(closed.body, /This site is being worked on/)
  t.equal((await ask('/', from('192.0.2.9'))).body, 'the app')
  t.equal(asked.length, 1)
  point({ ...routeTo(app), maintenance: { page: '<h1>Back at <script>noon</script></h1>' } })
  const own = await ask('/', browser)
  t.match(own, { status: 503, body: '<h1>Back at <script>noon</script></h1>' })
  t.equal(own.headers['content-security-policy'], undefined)
  t.match((await ask('/')).body, /^This site is being worked on\.\n/, 'who asks for no HTML gets plain text')
  t.equal((await ask('/', { method: 'HEAD' })).body, '')
})

t.test('an app’s own pages stand in for the proxy’s, never for the app’s own answers', async t => {
  const app = await backend(t, (_req, res) => {
    res.statusCode = 502
    res.end('from the app')
  })
  const pages = {
    '502': '<p>broken</p>',
    '503': '<p>closed</p>',
    '404': '<p>nothing</p>',
    '401': '<p>who?</p>',
  }
  const { ask, point } = await stage(t, [{ ...routeTo(app), pages }])
  t.equal((await ask('/', browser)).body, 'from the app')
  point({ ...routeTo({ host: '127.0.0.1', port: 1 }), pages })
  t.match(await ask('/', browser), { status: 502, body: '<p>broken</p>' })
  t.match((await ask('/')).body, /^This app did not answer/)
  point({ ...routeTo(), pages })
  t.match(await ask('/', browser), { status: 503, body: '<p>closed</p>' })
  point({ ...routeTo(), pages, files: t.testdir({ 'index.html': 'x' }) })
  t.match(await ask('/missing', browser), { status: 404, body: '<p>nothing</p>' })
  point({ ...routeTo(), pages, auth: { realm: 'x', users: {} } })
  t.match(await ask('/', browser), { status: 401, body: '<p>who?</p>' })
  t.match(await ask('/', { ...browser, host: 'nobody.test' }), { status: 404, body: /There is no app here/ })
})

t.test('fields are set and taken away on every answer', async t => {
  const { ask, point, app } = await shopWith(t, {
    headers: {
      'x-frame-options': 'DENY',
      'X-POWERED-BY': '',
      'Content-Security-Policy': "default-src 'self'",
    },
  })
  const { headers, raw } = await ask('/')
  t.match(headers, { 'x-frame-options': 'DENY', 'content-security-policy': "default-src 'self'" })
  t.notOk('x-powered-by' in headers)
  t.ok(raw.includes('x-frame-options'), 'in the spelling they were given in')
  point({ ...routeTo(), headers: { 'X-Frame-Options': 'DENY', 'Content-Security-Policy': 'none' } })
  const page = await ask('/', browser)
  t.match(page, { status: 503, headers: { 'x-frame-options': 'DENY', 'content-security-policy': 'none' } })
  point({ ...routeTo(), headers: { 'X-Frame-Options': 'DENY' }, files: t.testdir({ 'index.html': 'hello' }) })
  t.match(await ask('/'), { body: 'hello', headers: { 'x-frame-options': 'DENY' } })
  point(routeTo(app))
  t.match((await ask('/')).headers, { 'x-powered-by': 'cats' })
})

t.test('the gates stand in their order', async t => {
  const all: Partial<Route> = {
    domains: { 'shop.test': true, 'old.test': true },
    lists: { deny: { '192.0.2.1': true } },
    rate: { requests: 1, seconds: 60, burst: 1 },
    redirects: { 'old.test': { to: 'shop.test', status: 301 } },
    maintenance: { allowed: { '192.0.2.4': true } },
    auth: { realm: 'x', users: {}, allowed: { '192.0.2.5': true } },
  }
  const { ask, point, app } = await shopWith(t, all)
  const status = async (address: string, host = 'old.test') =>
    (await ask('/', { ...from(address), host })).status
  t.same([await status('192.0.2.1'), await status('192.0.2.1')], [403, 403])
  t.same([await status('192.0.2.2'), await status('192.0.2.2')], [301, 429])
  t.same([await status('192.0.2.3', 'shop.test'), await status('192.0.2.4', 'shop.test')], [503, 401])
  const { maintenance: _, ...open } = all
  point({ ...routeTo(app), ...open })
  t.equal(await status('192.0.2.5', 'shop.test'), 200)
})

t.test('gates hold for WebSockets too', async t => {
  const { port } = await shopWith(t, { maintenance: {} })
  const client = dial(port)
  client.socket.write(
    'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await client.closed
  t.match(client.heard(), /^HTTP\/1\.1 503 .*\r\nRetry-After: 120\r\n/s)
})

t.test('a client that reads no answer before it has sent its whole body hears it all the same', async t => {
  const { port } = await shopWith(t, { maintenance: {} })
  const size = 8 * 1024 * 1024
  const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`
  for (const [framing, body] of [
    [`Content-Length: ${size}`, 'x'.repeat(size)],
    ['Transfer-Encoding: chunked', chunk],
  ] as const) {
    const client = dial(port)
    client.socket.pause()
    client.socket.write(`POST / HTTP/1.1\r\nHost: shop.test\r\n${framing}\r\n\r\n`)
    await new Promise(resolve => client.socket.write(body, resolve))
    client.socket.resume()
    t.match(await client.hears(/being worked on/), /^HTTP\/1\.1 503 /)
    client.socket.destroy()
  }
})

t.test('what follows a body that nobody takes is not asked', async t => {
  const shut = routeOf('shut', ['shut.test'], [])
  const app = await backend(t, (_req, res) => res.end('asked'))
  const { raw, trips } = await stage(t, [shut, routeTo(app)])
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
  const heard = await raw(
    `POST / HTTP/1.1\r\nHost: shut.test\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}${smuggled}`,
  )
  t.match(heard, /^HTTP\/1\.1 503 /)
  t.notMatch(heard, /asked/)
  t.equal(trips.length, 1)
})
