import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import t, { type Test } from 'tap'

import type { Route } from '../../src/types.ts'
import { dial, routeTo, stage } from './stage.ts'

const site = {
  'index.html': '<h1>Low tide</h1>',
  'robots.txt': 'User-agent: *\n',
  assets: {
    'app.3f2a9c1b.js': 'let a',
    'my-component.js': 'let b',
    'odd name é.css': 'p{}',
    'photo.xyz': 'x',
  },
  blog: { 'index.html': '<h1>The log</h1>' },
  empty: {},
  '.env': 'SECRET=1',
  '.git': { config: 'secret' },
  '.well-known': { 'security.txt': 'Contact: x\n', '.hidden': 'x' },
}

/** A worker that serves these files at shop.test. */
async function serving(t: Test, files: Parameters<Test['testdir']>[0] = site) {
  const dir = t.testdir({ site: files, outside: { 'secret.txt': 'secret' } })
  const folder = join(dir, 'site')
  const route: Route = { ...routeTo(), files: folder }
  return { dir, folder, ...(await stage(t, [route])) }
}

t.test('files are served for what they are', async t => {
  const { ask } = await serving(t)
  const home = await ask('/')
  t.match(home, {
    status: 200,
    body: '<h1>Low tide</h1>',
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': '17',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
    },
  })
  t.match(home.headers['x-request-id'], /./)
  t.equal((await ask('/index.html?x=1')).body, home.body)
  t.match(await ask('/robots.txt'), { headers: { 'content-type': 'text/plain; charset=utf-8' } })
  t.match(await ask('/assets/photo.xyz'), { headers: { 'content-type': 'application/octet-stream' } })
  t.match(await ask('/assets/odd%20name%20%C3%A9.css'), { status: 200, body: 'p{}' })
  t.match(await ask('/.well-known/security.txt'), { status: 200 })
  t.match(await ask('/', { method: 'HEAD' }), { status: 200, body: '', headers: { 'content-length': '17' } })
  t.match(await ask('/assets/app.3f2a9c1b.js'), { headers: { 'cache-control': /immutable/ } })
  t.match(await ask('/assets/my-component.js'), { headers: { 'cache-control': 'no-cache' } })
})

t.test('a folder is reached with a slash at its end', async t => {
  const { ask } = await serving(t)
  t.match(await ask('/blog?a=1&b'), { status: 301, headers: { location: '/blog/?a=1&b' } })
  t.match(await ask('/blog/'), { status: 200, body: '<h1>The log</h1>' })
  t.equal((await ask('/empty')).status, 404)
  t.equal((await ask('/empty/')).status, 404)
  t.equal((await ask('/robots.txt/')).status, 404)
  t.equal((await ask('/index.html/')).status, 404)
})

t.test('no redirect leads to another host', async t => {
  const evil = () => ({ 'index.html': '' })
  const { ask } = await serving(t, { '\\evil.test': evil(), 'evil.test': evil(), 'a b%': evil() })
  t.equal((await ask('//evil.test')).status, 404)
  t.equal((await ask('/%2Fevil.test')).status, 404)
  t.equal((await ask('/%5Cevil.test')).headers.location, '/%5Cevil.test/')
  t.equal((await ask('/a%20b%25')).headers.location, '/a%20b%25/')
})

t.test('what is not there is told on a page, its own when it has one', async t => {
  const { ask, folder } = await serving(t)
  t.match(await ask('/none', { headers: { accept: 'text/html' } }), {
    status: 404,
    body: /This page is not here/,
  })
  writeFileSync(join(folder, '404.html'), '<h1>Washed away</h1>')
  const own = await ask('/none')
  t.match(own, {
    status: 404,
    body: '<h1>Washed away</h1>',
    headers: { 'content-type': /html/, 'cache-control': 'no-cache' },
  })
  t.match(await ask('/none', { method: 'HEAD' }), { status: 404, body: '' })
})

t.test('it is only read', async t => {
  const { ask, raw } = await serving(t)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    t.match(await ask('/', { method }), { status: 405, headers: { allow: 'GET, HEAD' } }, method)
  t.match(await ask('/', { method: 'POST', body: 'x'.repeat(100_000) }), { status: 405 })
  const upgrade =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\nSec-WebSocket-Version: 13'
  t.match(await raw(`GET / HTTP/1.1\r\nHost: shop.test\r\n${upgrade}\r\n\r\n`), /^HTTP\/1\.1 405 /)
})

t.test('names that begin with a dot, and ways out, lead nowhere', async t => {
  const { raw } = await serving(t)
  const paths = [
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/.well-known/.hidden',
    '/blog/../.env',
    '/../outside/secret.txt',
    '/..%2foutside/secret.txt',
    '/%2e%2e/outside/secret.txt',
    '/blog/..%2f..%2foutside%2fsecret.txt',
    '/..\\outside\\secret.txt',
    '/./index.html',
    '/blog//index.html',
    '//etc/passwd',
    '/%2fetc%2fpasswd',
    `/${'a'.repeat(300)}`,
    `/${'a/'.repeat(5000)}`,
  ]
  for (const path of paths) {
    const heard = await raw(`GET ${path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
    t.match(heard, /^HTTP\/1\.1 404 /, path.slice(0, 60))
    t.notMatch(heard, /secret|SECRET/)
  }
  for (const path of ['/%00', '/index.html%00.txt', '/%ff', '/%', '/\xff'])
    t.match(
      await raw(`GET ${path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 40[04] /,
      path,
    )
})

t.test('links are not followed, to a file or a folder, at the end or on the way', async t => {
  const { ask, dir, folder } = await serving(t)
  symlinkSync(join(dir, 'outside/secret.txt'), join(folder, 'file.txt'))
  symlinkSync(join(dir, 'outside'), join(folder, 'way'))
  symlinkSync('blog', join(folder, 'within'))
  symlinkSync('/proc/self/environ', join(folder, 'environ'))
  for (const path of [
    '/file.txt',
    '/way/secret.txt',
    '/way/',
    '/way',
    '/within/',
    '/within/index.html',
    '/environ',
  ])
    t.equal((await ask(path)).status, 404, path)
})

t.test('the folder itself may be reached through a link', async t => {
  const { dir, folder, point, ask } = await serving(t)
  symlinkSync(folder, join(dir, 'linked'))
  point({ ...routeTo(), files: join(dir, 'linked') })
  t.equal((await ask('/blog/')).status, 200)
  point({ ...routeTo(), files: join(dir, 'gone') })
  t.equal((await ask('/')).status, 404)
})

t.test('what a client has already is not sent again', async t => {
  const { ask, folder } = await serving(t)
  const { headers } = await ask('/')
  const etag = headers.etag!
  t.match(etag, /^"[^"]+"$/)
  const status = async (headers: Record<string, string>) => (await ask('/', { headers })).status
  const same = await ask('/', { headers: { 'if-none-match': `"x", W/${etag}` } })
  t.match(same, { status: 304, body: '', headers: { etag, 'cache-control': 'no-cache' } })
  t.equal(same.headers['content-length'], undefined)
  t.equal(await status({ 'if-none-match': '*' }), 304)
  t.equal(await status({ 'if-none-match': '"x"', 'if-modified-since': headers['last-modified']! }), 200)
  t.equal(await status({ 'if-modified-since': headers['last-modified']! }), 304)
  t.equal(await status({ 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }), 200)
  t.equal(await status({ 'if-modified-since': 'nonsense' }), 200)
  t.equal(await status({ 'if-match': '"x"' }), 412)
  t.equal(await status({ 'if-match': etag }), 200)
  t.equal(await status({ 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }), 412)
  utimesSync(join(folder, 'index.html'), 1, 1)
  t.equal(await status({ 'if-none-match': etag }), 200)
})

t.test('a part of a file is sent when one is asked for', async t => {
  const { ask } = await serving(t, { 'a.txt': '0123456789', 'empty.txt': '' })
  const { headers } = await ask('/a.txt')
  const part = async (range: string, more = {}) => {
    const told = await ask('/a.txt', { headers: { range, ...more } })
    return `${told.status} ${told.headers['content-range'] ?? '-'} ${told.body}`
  }
  t.equal(await part('bytes=2-4'), '206 bytes 2-4/10 234')
  t.equal(await part('bytes=7-'), '206 bytes 7-9/10 789')
  t.equal(await part('bytes=-3'), '206 bytes 7-9/10 789')
  t.equal(await part('bytes=-99'), '206 bytes 0-9/10 0123456789')
  t.equal(await part('bytes=8-99'), '206 bytes 8-9/10 89')
  t.equal(await part('bytes=10-'), '416 bytes */10 ')
  t.equal(await part('bytes=-0'), '416 bytes */10 ')
  for (const odd of [
    'bytes=4-2',
    'bytes=-',
    'bytes=1-2,4-5',
    'lines=1-2',
    'bytes=x-',
    `bytes=${'9'.repeat(99)}-`,
  ])
    t.equal(await part(odd), '200 - 0123456789', odd)
  t.match(await part('bytes=0-0', { 'if-range': headers.etag! }), /^206/)
  t.match(await part('bytes=0-0', { 'if-range': headers['last-modified']! }), /^206/)
  t.match(await part('bytes=0-0', { 'if-range': '"x"' }), /^200/)
  t.match(await ask('/empty.txt', { headers: { range: 'bytes=0-' } }), { status: 416 })
  t.match(await ask('/empty.txt'), { status: 200, body: '' })
  t.match(await ask('/a.txt', { method: 'HEAD', headers: { range: 'bytes=2-4' } }), { status: 200 })
})

t.test('a compressed sibling goes to those who take it', async t => {
  const { ask } = await serving(t, {
    ...{
      'a.js': 'plain',
      'a.js.br': 'BR',
      'a.js.gz': 'GZ',
      'b.css': 'plain',
      'b.css.gz': 'GZ',
      'c.png': 'plain',
      'c.png.br': 'BR',
    },
    ...{ 'd.js': 'plain', 'd.js.br': { x: '' } },
  })
  const got = async (path: string, accept: string) => {
    const { body, headers } = await ask(path, { headers: { 'accept-encoding': accept } })
    return `${body} ${headers['content-encoding'] ?? '-'} ${headers.vary ?? '-'} ${headers['content-type']}`
  }
  const js = 'Accept-Encoding text/javascript; charset=utf-8'
  t.equal(await got('/a.js', 'gzip, deflate, br'), `BR br ${js}`)
  t.equal(await got('/a.js', 'GZIP;q=0.5'), `GZ gzip ${js}`)
  t.equal(await got('/a.js', 'br;q=0, gzip;q=0.0'), `plain - ${js}`)
  t.equal(await got('/a.js', ''), `plain - ${js}`)
  t.equal(await got('/b.css', 'br, gzip'), 'GZ gzip Accept-Encoding text/css; charset=utf-8')
  t.equal(await got('/c.png', 'br'), 'plain - - image/png')
  t.equal(await got('/d.js', 'br'), `plain - ${js}`)
  const br = await ask('/a.js', { headers: { 'accept-encoding': 'br' } })
  t.not(br.headers.etag, (await ask('/a.js')).headers.etag)
})

t.test('a large file goes at the pace of its reader, and one who leaves is forgotten', async t => {
  const { folder, port, traffic, ask } = await serving(t)
  writeFileSync(join(folder, 'large.bin'), randomBytes(1024))
  truncateSync(join(folder, 'large.bin'), 300 * 2 ** 20)
  const before = process.memoryUsage().rss
  const slow = dial(port)
  slow.socket.write('GET /large.bin HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await slow.hears(/content-length: 314572800/i)
  slow.socket.pause()
  t.equal((await ask('/')).status, 200, 'others are served meanwhile')
  t.ok(traffic.stats().inFlight >= 1)
  t.ok(process.memoryUsage().rss - before < 150 * 2 ** 20)
  slow.socket.destroy()
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('a file that is cut short under way ends the connection, not the promise of its length', async t => {
  const { folder, port } = await serving(t)
  mkdirSync(join(folder, 'x'))
  writeFileSync(join(folder, 'x/large.bin'), '')
  truncateSync(join(folder, 'x/large.bin'), 200 * 2 ** 20)
  const client = dial(port)
  client.socket.write('GET /x/large.bin HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await once(client.socket, 'data')
  client.socket.pause()
  truncateSync(join(folder, 'x/large.bin'), 0)
  client.socket.resume()
  await client.closed
  t.ok(client.heard().length < 200 * 2 ** 20)
  t.equal(statSync(join(folder, 'x/large.bin')).size, 0)
})

t.test('several requests go over one connection', async t => {
  const { port } = await serving(t)
  const client = dial(port)
  client.socket.write(
    'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\nGET /none HTTP/1.1\r\nHost: shop.test\r\n\r\nGET /robots.txt HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n',
  )
  await client.closed
  t.same(client.heard().match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
})
