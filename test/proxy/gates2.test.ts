import { once } from 'node:events'
import zlib from 'node:zlib'

import { t } from 'tap'

import { ask2, open, session, told } from './client2.ts'
import { backend, routeTo, secureStage } from './stage.ts'

const text = 'over and over, '.repeat(2000)

t.test('gates, fields and pages hold for HTTP/2', async t => {
  const app = await backend(t, (_req, res) => res.end('the app'))
  const base = { ...routeTo(app), domains: { 'shop.test': true, 'old.test': true } } as const
  const { httpsPort, point } = await secureStage(t, [
    { ...base, redirects: { 'old.test': { to: 'shop.test', status: 308 } }, headers: { 'X-Own': '1' } },
  ])
  const client = await session(t, httpsPort)
  const moved = await ask2(client, '/x?y', { authority: 'old.test' })
  t.match(moved, { status: 308, headers: { location: 'https://shop.test/x?y', 'x-own': '1' } })
  t.match(await ask2(client, '/'), { status: 200, body: 'the app', headers: { 'x-own': '1' } })
  // Bytes that HTTP/1.1 would not let pass.
  t.match(await ask2(client, '/\u00fc', { authority: 'old.test' }), {
    headers: { location: /^https:\/\/shop\.test\/%fc$/ },
  })
  point({ ...base, auth: { realm: 'x', users: {} } })
  t.match(await ask2(client, '/'), { status: 401, headers: { 'www-authenticate': /^Basic realm="x"/ } })
  point({ ...base, rate: { requests: 1, seconds: 60, burst: 2 } })
  const statuses = [await ask2(client, '/'), await ask2(client, '/'), await ask2(client, '/')]
  t.same(
    statuses.map(each => each.status),
    [200, 200, 429],
  )
})

t.test('an answer over HTTP/2 is compressed, and arrives bit by bit where it comes so', async t => {
  const app = await backend(t, (req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain', etag: '"x"' })
    if (req.url === '/slow') res.write('first')
    else res.end(text)
  })
  const { httpsPort, trips } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const asking = { headers: { 'accept-encoding': 'gzip' } }
  const whole = await ask2(client, '/', asking)
  t.match(whole.headers, { 'content-encoding': 'gzip', vary: 'Accept-Encoding', etag: 'W/"x"' })
  t.equal(zlib.gunzipSync(Buffer.from(whole.body, 'latin1')).toString(), text)
  t.equal(trips[0]!.visitor.bytes, whole.body.length)
  const slow = open(client, '/slow', asking)
  const reader = slow.pipe(zlib.createGunzip())
  const [piece] = (await once(reader, 'data')) as [Buffer]
  t.equal(piece.toString(), 'first')
  // What was begun does not end.
  reader.on('error', () => {})
  slow.close()
})

t.test('a body over HTTP/2 is counted, with a length and without', async t => {
  const app = await backend(t, (req, res) => {
    req.on('error', () => {})
    req.resume().once('end', () => res.end('taken'))
  })
  const { httpsPort, traffic } = await secureStage(t, [{ ...routeTo(app), limits: { bodyBytes: 100_000 } }])
  const client = await session(t, httpsPort)
  const send = async (size: number, headers = {}) => {
    const stream = open(client, '/', { method: 'POST', headers })
    const answer = told(stream)
    stream.end(Buffer.alloc(size))
    return (await answer).status
  }
  t.equal(await send(100_000), 200)
  t.equal(await send(100_001), 413)
  t.equal(await send(100_001, { 'content-length': 100_001 }), 413)
  t.equal(await send(100_000), 200, 'the connection goes on')
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})
