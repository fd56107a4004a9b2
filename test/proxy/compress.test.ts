import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import zlib from 'node:zlib'

import { type Test, t } from 'tap'

import { openChoice } from '../../src/proxy/codings.ts'
import { type Asking, backend, bareBackend, dial, routeTo, stage } from './stage.ts'

const text = Array.from({ length: 2000 }, (_, at) => `line ${at * 7919}`).join('\n')
const decoded: Record<string, (body: Buffer) => Buffer> = {
  zstd: zlib.zstdDecompressSync,
  br: zlib.brotliDecompressSync,
  gzip: zlib.gunzipSync,
}

const taking = (encoding: string): Asking => ({ headers: { 'accept-encoding': encoding } })
const bytesOf = (body: string) => Buffer.from(body, 'latin1')

/** An app that answers with these fields, and with `text` in pieces where it tells no length. */
async function telling(
  t: Test,
  fields: http.OutgoingHttpHeaders,
  body: string | Buffer = text,
  status = 200,
) {
  const app = await backend(t, (_req, res) => {
    res.writeHead(status, fields)
    res.end(body)
  })
  return stage(t, [routeTo(app)])
}

t.test('what a client takes is chosen by its weights', async t => {
  const choose = openChoice()
  for (const [accepted, name] of [
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['zstd;q=0.5, br;q=0.9, gzip;q=0.8', 'br'],
    ['zstd;q=0, br;q=0, *', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0', undefined],
    ['gzip;q=0.5, identity', undefined],
    ['gzip;q=0.5, identity;q=0.4', 'gzip'],
    ['gzip;q=0.000', undefined],
    ['gzip;q=x', undefined],
    ['gzip;q=1.5', undefined],
    ['gzip; q=0.3 ; x=y', 'gzip'],
    ['deflate, compress', undefined],
    ['', undefined],
    [',,;q=1', undefined],
  ] as const)
    t.equal(choose(accepted)?.name, name, accepted)
  for (let n = 0; n < 1000; n++) choose(`gzip;q=0.${n}`)
  t.equal(choose('br')?.name, 'br')
})

t.test('text is made smaller in each coding, and is the same at the other end', async t => {
  for (const fields of [
    { 'content-type': 'text/html' },
    { 'content-type': 'application/json', 'content-length': text.length },
  ]) {
    const { ask, trips } = await telling(t, {
      ...fields,
      etag: '"abc"',
      'accept-ranges': 'bytes',
      vary: 'Cookie',
    })
    for (const coding of ['zstd', 'br', 'gzip']) {
      const { status, headers, body } = await ask('/', taking(coding))
      t.match(headers, { 'content-encoding': coding, etag: 'W/"abc"', vary: 'Cookie, Accept-Encoding' })
      t.equal(status, 200)
      t.notOk('content-length' in headers || 'accept-ranges' in headers)
      t.equal(decoded[coding]!(bytesOf(body)).toString(), text)
      t.ok(body.length < text.length / 2, `${body.length} bytes`)
      t.equal(trips.at(-1)!.visitor.bytes, body.length, 'what is counted is what went over the wire')
    }
    const plain = await ask('/')
    t.match(plain, {
      body: text,
      headers: { etag: '"abc"', vary: 'Cookie, Accept-Encoding', 'accept-ranges': 'bytes' },
    })
    t.notOk('content-encoding' in plain.headers)
  }
})

t.test('what is small, done already, in parts, or not to be touched stays as it is', async t => {
  const html = { 'content-type': 'text/html' }
  const untouched: [http.OutgoingHttpHeaders, (string | Buffer)?, number?][] = [
    [{ ...html, 'content-length': 1023 }, 'x'.repeat(1023)],
    [{ ...html, 'content-encoding': 'gzip' }, zlib.gzipSync(text)],
    [{ ...html, 'cache-control': 'public, No-Transform' }],
    [{ ...html, 'content-range': 'bytes 0-1/9' }, text, 206],
    [{ ...html, 'content-range': 'bytes */9' }, text, 416],
    [{ ...html, 'content-digest': 'sha-256=:x:' }],
    [{ 'content-type': 'image/png' }],
    [{ 'content-type': 'text/event-stream' }],
    [{ 'content-type': 'application/grpc' }],
    [{}],
  ]
  for (const [fields, body = text, status] of untouched) {
    const { ask } = await telling(t, fields, body, status)
    const heard = await ask('/', taking('gzip, br, zstd'))
    t.equal(heard.body, body.toString('latin1'), JSON.stringify(fields))
    t.equal(heard.headers['content-encoding'], fields['content-encoding'])
    t.equal(heard.headers.vary, undefined)
  }
  const error = await (await telling(t, html, text, 500)).ask('/', taking('gzip'))
  t.match(
    error,
    { status: 500, headers: { 'content-encoding': 'gzip' } },
    'a long error is text like any other',
  )
})

t.test('a route may do without', async t => {
  const app = await backend(t, (_req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end(text))
  const { ask } = await stage(t, [{ ...routeTo(app), compress: false }])
  const { headers, body } = await ask('/', taking('gzip'))
  t.equal(body, text)
  t.equal(headers.vary, undefined)
})

t.test('HEAD says what GET would say', async t => {
  const app = await backend(t, (req, res) => {
    res.writeHead(200, { 'content-type': 'text/html', 'content-length': text.length, etag: '"x"' })
    res.end(req.method === 'HEAD' ? undefined : text)
  })
  const { ask } = await stage(t, [routeTo(app)])
  const said = async (method: string) => {
    const { headers } = await ask('/', { method, ...taking('br') })
    const { 'x-request-id': _, date: _date, 'transfer-encoding': _framing, ...rest } = headers
    return rest
  }
  t.match(await said('HEAD'), { 'content-encoding': 'br', etag: 'W/"x"' })
  t.same(await said('HEAD'), await said('GET'))
  t.equal((await ask('/', { method: 'HEAD', ...taking('br') })).body, '')
})

t.test('an answer to HTTP/1.0, and one without a body, are not coded', async t => {
  const app = await backend(t, (req, res) => {
    res.writeHead(req.url === '/304' ? 304 : 200, { 'content-type': 'text/html', etag: '"x"' })
    res.end(req.url === '/304' ? undefined : text)
  })
  const { raw, ask } = await stage(t, [routeTo(app)])
  const heard = await raw('GET / HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n')
  t.ok(heard.endsWith(text))
  t.match(heard, /\r\nVary: Accept-Encoding\r\n/)
  t.match(await ask('/304', taking('gzip')), { status: 304, headers: { etag: '"x"' }, body: '' })
})

t.test('what an app sends bit by bit arrives bit by bit', async t => {
  for (const [coding, open] of [
    ['gzip', zlib.createGunzip],
    ['br', zlib.createBrotliDecompress],
    ['zstd', zlib.createZstdDecompress],
  ] as const) {
    const answers: http.ServerResponse[] = []
    const app = await backend(t, (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.flushHeaders()
      answers.push(res)
    })
    const { port } = await stage(t, [routeTo(app)])
    const req = http.get({ port, agent: false, headers: { host: 'shop.test', 'accept-encoding': coding } })
    const [res] = (await once(req, 'response')) as [http.IncomingMessage]
    t.equal(res.headers['content-encoding'], coding, 'the head comes before anything of the body')
    const reader = res.pipe(open())
    for (const piece of ['one', 'two', 'three']) {
      answers[0]!.write(piece)
      const [chunk] = (await once(reader, 'data')) as [Buffer]
      t.equal(chunk.toString(), piece)
    }
    answers[0]!.end()
    await once(reader, 'end')
  }
})

t.test('many small pieces are gathered', async t => {
  const app = await backend(t, async (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    for (let n = 0; n < 3000; n++) res.write(`piece ${n}\n`)
    res.end()
  })
  const { ask } = await stage(t, [routeTo(app)])
  const { body } = await ask('/', taking('gzip'))
  const whole = zlib.gunzipSync(bytesOf(body)).toString()
  t.equal(whole.split('\n').length, 3001)
  // A flush of its own for each would make it larger than it was.
  t.ok(body.length < whole.length / 2, `${body.length} of ${whole.length}`)
})

t.test('a client that does not read holds the app back, and one that leaves frees it', async t => {
  let written = 0
  const left = Promise.withResolvers<void>()
  const noise = Buffer.from(randomBytes(65_536).toString('latin1'))
  const app = await backend(t, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    const more = () => {
      while (written < 200e6 && res.write(noise)) written += noise.length
      if (written < 200e6) res.once('drain', more)
    }
    res.on('error', () => {})
    res.once('close', left.resolve)
    more()
  })
  const { port, traffic } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n')
  await client.hears(/200 OK/)
  client.socket.pause()
  let last = -1
  while (written !== last) {
    last = written
    for (let n = 0; n < 2000; n++) await turn()
  }
  t.ok(written < 40e6, `${written} bytes were taken`)
  client.socket.destroy()
  await left.promise
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('an app that dies in the middle ends the client’s answer, and not as if it were whole', async t => {
  const app = await bareBackend(t, socket => {
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    )
    setTimeout(() => socket.destroy(), 50)
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n')
  await client.closed
  t.match(client.heard(), /Content-Encoding: gzip/)
  t.notMatch(client.heard(), /\r\n0\r\n\r\n/)
})

t.test('trailers follow what was coded', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!said.endsWith('\r\n\r\n')) return
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n',
    )
    socket.write(`${text.length.toString(16)}\r\n${text}\r\n0\r\nX-Sum: 7\r\n\r\n`)
  })
  const { port } = await stage(t, [routeTo(app)])
  const req = http.get({ port, agent: false, headers: { host: 'shop.test', 'accept-encoding': 'gzip' } })
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  const body = Buffer.concat(await Array.fromAsync(res as AsyncIterable<Buffer>))
  t.equal(zlib.gunzipSync(body).toString(), text)
  t.match(res.trailers, { 'x-sum': '7' })
})

t.test('files are made smaller too, where nobody has put a smaller one beside them', async t => {
  const folder = t.testdir({ 'page.html': text, 'done.html': text, 'small.html': 'hello' })
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${folder}/done.html.gz`, zlib.gzipSync(`beside ${text}`))
  const { ask } = await stage(t, [{ ...routeTo(), files: folder }])
  const page = await ask('/page.html', taking('zstd, gzip'))
  t.match(page.headers, { 'content-encoding': 'zstd', vary: 'Accept-Encoding', etag: /^W\/"/ })
  t.equal(zlib.zstdDecompressSync(bytesOf(page.body)).toString(), text)
  const done = await ask('/done.html', taking('gzip'))
  t.equal(zlib.gunzipSync(bytesOf(done.body)).toString(), `beside ${text}`)
  t.equal((await ask('/small.html', taking('gzip'))).body, 'hello')
  const range = { headers: { 'accept-encoding': 'gzip', range: 'bytes=0-9' } }
  t.match(await ask('/page.html', range), { status: 206, body: text.slice(0, 10) })
  const known = { headers: { 'accept-encoding': 'zstd', 'if-none-match': page.headers.etag } }
  t.match(await ask('/page.html', known), { status: 304, body: '' })
})
