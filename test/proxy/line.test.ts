import { once } from 'node:events'

import { t } from 'tap'

import { combinedOf, formOf, sentenceOf } from '../../src/edge/entries.ts'
import { openLines } from '../../src/proxy/line.ts'
import type { Route } from '../../src/types.ts'
import { ask2, secure, session } from './client2.ts'
import { backend, bareBackend, dial, routeTo, secureStage, stage } from './stage.ts'

const lines = openLines()
const ended = 'Connection: close\r\n\r\n'

t.test('a request is told with all there is to know of it', async t => {
  const app = await backend(t, (req, res) => req.resume().on('end', () => res.end('thanks')))
  const box = await stage(t, [{ ...routeTo(app), release: 7 }])
  const headers = {
    'user-agent': 'curl/8.5',
    referer: 'https://x.test/',
    'x-request-id': 'abc',
    cookie: 'c=1',
  }
  await box.ask('/a%20b?c="d"', { method: 'POST', body: 'four', headers })
  const line = lines.access((await box.tripped(1))[0], 'json')
  t.match(line, /^\{.*\}\n$/)
  const { time, connect_ms, first_byte_ms, total_ms, ...entry } = JSON.parse(line)
  t.same(entry, {
    id: 'abc',
    app: 'shop',
    release: 7,
    client: '127.0.0.1',
    scheme: 'http',
    version: '1.1',
    method: 'POST',
    host: 'shop.test',
    path: '/a%20b?c="d"',
    status: 200,
    bytes_in: 4,
    bytes_out: 6,
    agent: 'curl/8.5',
    referer: 'https://x.test/',
    upstream: `127.0.0.1:${app.port}`,
  })
  t.ok(connect_ms <= first_byte_ms && first_byte_ms <= total_ms, line)
  t.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, time)
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

t.test(
  'a body without a length, trailers, an answer in chunks: the bytes of both bodies are counted',
  async t => {
    const app = await backend(t, async (req, res) => {
      for await (const _ of req);
      res.write('12345')
      res.end('678')
    })
    const box = await stage(t, [routeTo(app)])
    const chunked = 'Transfer-Encoding: chunked\r\n'
    await box.raw(`POST / HTTP/1.1\r\nHost: shop.test\r\n${chunked}${ended}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
    await box.raw(
      `POST / HTTP/1.1\r\nHost: shop.test\r\n${chunked}Trailer: X-A\r\n${ended}3\r\nabc\r\n0\r\nX-A: b\r\n\r\n`,
    )
    const [one, two] = (await box.tripped(2)).map(trip => JSON.parse(lines.access(trip, 'json')))
    t.match(one, { bytes_in: 5, bytes_out: 8, status: 200 })
    t.match(two, { bytes_in: 3, bytes_out: 8, status: 200 })
  },
)

t.test('over TLS a line tells its version, in HTTP/1.1 and HTTP/2 alike', async t => {
  const app = await backend(t, (req, res) => req.resume().on('end', () => res.end('thanks')))
  const box = await secureStage(t, [routeTo(app)])
  const old = await secure(t, box.httpsPort, { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' })
  old.write(`GET /1 HTTP/1.1\r\nHost: shop.test\r\n${ended}`)
  await once(old, 'close')
  const client = await session(t, box.httpsPort)
  await ask2(client, '/2', { method: 'POST', body: 'four' })
  const [one, two] = (await box.tripped(2)).map(trip => JSON.parse(lines.access(trip, 'json')))
  t.match(one, { scheme: 'https', version: '1.1', tls: 'TLSv1.2', path: '/1', host: 'shop.test' })
  t.match(two, { scheme: 'https', version: '2.0', tls: 'TLSv1.3', path: '/2', host: 'shop.test' })
  t.match(two, { client: '127.0.0.1', bytes_in: 4, bytes_out: 6, status: 200 })
})

t.test('whatever a client says, a line is one line of plain ASCII, and no longer than it may be', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const box = await stage(t, [routeTo(app)])
  const agent = 'caf\xc3\xa9 \xff "\\\t\x9b31m'
  await box.raw(`GET /"\\ HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: ${agent}\r\n${ended}`)
  await box.raw(
    `GET /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: ${'\xff'.repeat(9_000)}\r\nReferer: ${'\x80'.repeat(9_000)}\r\n${ended}`,
  )
  for (const trip of await box.tripped(2)) {
    for (const form of ['json', 'combined'] as const) {
      t.match(lines.access(trip, form), /^[\x20-\x7e]{1,32767}\n$/)
    }
  }
  const [first, long] = box.trips.map(trip => lines.access(trip, 'json'))
  t.match(JSON.parse(first!), { path: '/"\\', agent: 'caf\xc3\xa9 \xff "\\\t\x9b31m' })
  t.equal(JSON.parse(long!).path.length, 2048 + 3)
})

t.test('what is secret is in no line', async t => {
  const app = await backend(t, (_req, res) => res.writeHead(200, { 'set-cookie': 'k=s3cret' }).end('ok'))
  const box = await stage(t, [routeTo(app)])
  const headers = { authorization: 'Basic s3cret', cookie: 'k=s3cret', 'proxy-authorization': 's3cret' }
  await box.ask('/', { headers })
  const [trip] = await box.tripped(1)
  for (const form of ['json', 'combined'] as const) t.notMatch(lines.access(trip, form), /s3cret/)
  t.notMatch(lines.error(trip, 'why'), /s3cret/)
})

t.test('the combined form is the one that log readers know, and both forms can be had of either', async t => {
  const entry = {
    time: '2026-03-09T08:07:06.005Z',
    id: 'abc',
    client: '203.0.113.7',
    scheme: 'https',
    version: '2.0',
    method: 'GET',
    host: 'shop.test',
    path: '/a"b\\c?d=é',
    status: 304,
    bytes_in: 0,
    bytes_out: 0,
    agent: 'Mozilla/5.0 (X11; "Linux")',
    total_ms: 3,
  } as const
  const combined =
    '203.0.113.7 - - [09/Mar/2026:08:07:06 +0000] "GET /a\\x22b\\x5Cc?d=\\xC3\\xA9 HTTP/2.0" 304 0 "-" "Mozilla/5.0 (X11; \\x22Linux\\x22)"'
  t.equal(combinedOf(entry), combined)
  t.equal(formOf(JSON.stringify(entry), 'combined'), combined)
  t.equal(formOf(combined, 'combined'), combined)
  t.same(JSON.parse(formOf(combined, 'json')), {
    time: '2026-03-09T08:07:06.000Z',
    client: '203.0.113.7',
    version: '2.0',
    method: 'GET',
    path: '/a"b\\c?d=é',
    status: 304,
    bytes_out: 0,
    agent: 'Mozilla/5.0 (X11; "Linux")',
  })
  t.same(JSON.parse(formOf('half a li', 'json')), { line: 'half a li' })
  t.equal(formOf('{"time":"x","dropped":3}', 'combined'), '{"time":"x","dropped":3}')
})

t.test('a request that came to nothing is told with the reason', async t => {
  const gone = await bareBackend(t, socket => socket.destroy())
  const half = await bareBackend(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    setTimeout(() => socket.destroy(), 20)
  })
  const garbled = await bareBackend(t, socket => socket.end('SSH-2.0-OpenSSH\r\n'))
  const silent = await bareBackend(t, () => undefined)
  const closed = await backend(t, () => undefined)
  closed.server.close()
  await once(closed.server, 'close')
  const box = await stage(t, [], { answerMs: 50 })
  const why = async (...apps: Parameters<typeof routeTo>) => {
    box.point(routeTo(...apps))
    box.trips.length = 0
    await box.raw(`GET / HTTP/1.1\r\nHost: shop.test\r\n${ended}`)
    const [trip] = await box.tripped(1)
    return { ...JSON.parse(lines.error(trip, trip.fault!)), lost: trip.lost }
  }
  const at = ({ port }: { port: number }) => `127.0.0.1:${port}`
  t.match(await why(gone), {
    status: 502,
    upstream: at(gone),
    why: 'closed the connection before its answer',
    lost: true,
  })
  t.match(await why(half), {
    status: 200,
    why: 'closed the connection in the middle of its answer',
    lost: true,
  })
  t.match(await why(garbled), { status: 502, why: 'gave an answer that is no proper HTTP' })
  t.match(await why(silent), { status: 504, why: 'gave no answer in 0.05 s', lost: true })
  t.match(await why(closed), { status: 502, upstream: at(closed), why: 'refused the connection', lost: true })
  t.match(await why(), {
    status: 503,
    upstream: undefined,
    why: 'no process of the app is running',
    lost: true,
  })
})

t.test('who is turned away at the door is told why; what is as it was set is no error', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const box = await stage(t, [])
  const told = async (changes: Partial<Route>, options = {}) => {
    box.point({ ...routeTo(app), ...changes })
    box.trips.length = 0
    const { status } = await box.ask('/', options)
    const [{ fault, lost }] = await box.tripped(1)
    return { status, fault, lost }
  }
  const here = { '127.0.0.1': true } as const
  t.match(await told({ lists: { deny: here } }), {
    status: 403,
    fault: 'its address is not let in',
    lost: false,
  })
  const post = { method: 'POST', body: 'four' }
  t.match(await told({ limits: { bodyBytes: 3 } }, post), {
    status: 413,
    fault: 'its body is larger than is taken',
    lost: false,
  })
  t.match(await told({ maintenance: {} }), { status: 503, fault: undefined, lost: false })
  t.match(await told({ auth: { realm: 'x', users: {} } }), { status: 401, fault: undefined, lost: false })
})

t.test('a first try that failed is told of the one that failed, and is no loss', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const closed = await backend(t, () => undefined)
  closed.server.close()
  await once(closed.server, 'close')
  const box = await stage(t, [routeTo(closed, app)])
  while (!box.trips.some(trip => trip.retries > 0)) t.match(await box.ask('/'), { status: 200 })
  const trip = box.trips.find(each => each.retries > 0)!
  t.match(JSON.parse(lines.error(trip, trip.fault!)), {
    status: 200,
    upstream: `127.0.0.1:${closed.port}`,
    why: 'refused the connection',
  })
  t.match(JSON.parse(lines.access(trip, 'json')), { retries: 1, upstream: `127.0.0.1:${app.port}` })
  t.equal(trip.lost, false)
})

t.test('a client that leaves unanswered is told as 499, and is nobody’s fault', async t => {
  const asked = Promise.withResolvers<void>()
  const app = await bareBackend(t, () => asked.resolve())
  const box = await stage(t, [routeTo(app)])
  const client = dial(box.port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await asked.promise
  client.socket.resetAndDestroy()
  const [trip] = await box.tripped(1)
  t.match(JSON.parse(lines.access(trip, 'json')), { status: 499 })
  t.match(trip, { fault: undefined, lost: false })
})

t.test('what was refused, and what was no request at all, is told with the address it came from', async t => {
  const box = await stage(t, [])
  await box.raw(`TRACE /x HTTP/1.1\r\nHost: "odd"\r\n${ended}`)
  await box.raw('\x16\x03\x01\x02')
  const [trip] = await box.tripped(1)
  t.match(JSON.parse(lines.error(trip, trip.fault!)), {
    client: '127.0.0.1',
    method: 'TRACE',
    host: '"odd"',
    path: '/x',
    status: 405,
    why: 'TRACE is not answered here.',
  })
  t.match(box.noises, [{ client: '127.0.0.1', status: 400, why: 'It is not proper HTTP.' }])
})

t.test('an error is a sentence for a person', async t => {
  const entry = {
    time: '2026-03-09T08:07:06.005Z',
    id: 'abc',
    client: '203.0.113.7',
    method: 'GET',
    host: 'shop.test',
    path: '/x',
  }
  const more = { status: 502, upstream: '10.0.0.2:5000', why: 'refused the connection' }
  t.equal(
    sentenceOf(JSON.stringify({ ...entry, ...more })),
    '2026-03-09T08:07:06.005Z 502 GET shop.test/x from 203.0.113.7 10.0.0.2:5000 refused the connection (abc)',
  )
  t.equal(
    sentenceOf('{"time":"2026-03-09T08:07:06.005Z","dropped":3}'),
    '2026-03-09T08:07:06.005Z 3 lines were dropped: there was no room for them',
  )
  t.equal(sentenceOf('half a li'), 'half a li')
})
