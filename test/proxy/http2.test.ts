import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type http from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { ask2, open, session, told } from './client2.ts'
import { block, codeOf, type Frame, flag, frame, get, headers, post, type, wire } from './frames2.ts'
import { backend, bareBackend, routeTo, secureStage } from './stage.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const complete = (said: string) => said.endsWith('\r\n\r\n')

t.test('a request reaches the app as one of HTTP/1.1, with its path as it came', async t => {
  const app = await bareBackend(t, (socket, said) => complete(said) && socket.write(ok))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const headers = { cookie: ['a=1', 'b=2'], te: 'trailers', 'x-own': 'ü' }
  t.match(await ask2(client, '//a//b/../c%2F?x=1&&y=?z', { authority: 'SHOP.test.:8443', headers }), {
    status: 200,
    body: 'ok',
    code: 0,
  })
  t.match(app.said(), /^GET \/\/a\/\/b\/\.\.\/c%2F\?x=1&&y=\?z HTTP\/1\.1\r\n/)
  t.match(app.said(), /\r\nhost: SHOP\.test\.:8443\r\n/i)
  t.match(app.said(), /\r\ncookie: a=1; b=2\r\n/)
  t.match(app.said(), /\r\nx-own: \xfc\r\n/)
  t.match(app.said(), /\r\nX-Forwarded-Proto: https\r\n/)
  t.notMatch(app.said(), /\r\nte:|\r\n:/)
})

t.test(
  'fields of an answer are lower-case, without those of a connection, and otherwise as the app said them',
  async t => {
    const app = await bareBackend(
      t,
      (socket, said) =>
        complete(said) &&
        socket.write(
          [
            'HTTP/1.1 200 Fine',
            ...['Connection: keep-alive, X-Hop', 'Keep-Alive: timeout=5', 'X-Hop: 1', 'Upgrade: h2c'],
            ...['Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Many: 1', 'X-Many: 2'],
            ...[
              'Content-Type: text/plain',
              'Content-Type: text/html',
              'Content-Encoding: gzip',
              'Content-Encoding: br',
            ],
            ...['X-Name: \xfc', 'Transfer-Encoding: chunked', '', '2', 'ok', '0', '', ''],
          ].join('\r\n'),
          'latin1',
        ),
    )
    const { httpsPort } = await secureStage(t, [routeTo(app)])
    const stream = open(await session(t, httpsPort), '/', { endStream: true })
    const answer = told(stream)
    const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, string[]]
    t.match(await answer, { status: 200, body: 'ok', code: 0 })
    const fields = Array.from({ length: raw.length / 2 }, (_, at) => `${raw[at * 2]}: ${raw[at * 2 + 1]}`)
    t.equal(fields[0], ':status: 200')
    t.same(
      fields.slice(1).filter(each => !/^(date|x-request-id): ./.test(each)),
      [
        ...['set-cookie: a=1', 'set-cookie: b=2', 'x-many: 1', 'x-many: 2'],
        ...['content-type: text/plain', 'content-type: text/html'],
        ...['content-encoding: gzip', 'content-encoding: br', 'x-name: \xfc'],
      ],
    )
  },
)

t.test('10 MB pass unharmed, both ways at once, on many streams', async t => {
  const app = await backend(t, (req, res) => req.pipe(res))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  // Node's client counts what it has still to send.
  const client = await session(t, httpsPort, { maxSessionMemory: 100 })
  const body = randomBytes(10 * 1024 * 1024)
  const wanted = createHash('sha256').update(body).digest('hex')
  const echo = async (more: object) => {
    const stream = open(client, '/', { method: 'POST', headers: more as never })
    stream.end(body)
    const hash = createHash('sha256')
    for await (const chunk of stream) hash.update(chunk)
    t.equal(hash.digest('hex'), wanted)
  }
  await Promise.all([echo({ 'content-length': body.length }), echo({}), echo({})])
})

t.test('a client that does not read holds the app back, and other streams go on', async t => {
  let written = 0
  const app = await backend(t, (req, res) => {
    if (req.url === '/small') return res.end('small')
    const more = () => {
      while (written < 100e6) {
        written += 65536
        if (!res.write(Buffer.alloc(65536))) return void res.once('drain', more)
      }
    }
    res.on('error', () => {})
    more()
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const stream = open(client, '/', { endStream: true })
  await once(stream, 'response')
  let last = -1
  while (written !== last) {
    last = written
    for (let n = 0; n < 200; n++) await turn()
    t.match(await ask2(client, '/small'), { body: 'small' })
  }
  t.ok(written < 20e6, `${written} bytes were taken`)
  stream.close()
})

t.test('an app that does not read holds the client back, and other streams go on', async t => {
  const held: http.IncomingMessage[] = []
  const app = await backend(t, (req, res) => {
    if (req.url === '/small') return void res.end('small')
    held.push(req)
    req.on('end', () => res.end('all'))
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const stream = open(client, '/', { method: 'POST' })
  const answer = told(stream)
  let sent = 0
  const chunk = Buffer.alloc(65536)
  const more = () => {
    while (sent < 20e6) {
      sent += chunk.length
      if (!stream.write(chunk)) return void stream.once('drain', more)
    }
    stream.end()
  }
  more()
  let last = -1
  while (sent !== last) {
    last = sent
    for (let n = 0; n < 200; n++) await turn()
    t.match(await ask2(client, '/small'), { body: 'small' })
  }
  t.ok(sent < 15e6, `${sent} bytes were taken`)
  held[0]!.resume()
  t.match(await answer, { status: 200, body: 'all' })
})

t.test('a stream that its client resets frees the app; the connection goes on', async t => {
  const left = Promise.withResolvers<void>()
  const app = await backend(t, (req, res) => {
    if (req.url === '/') return void res.end('ok')
    res.once('close', left.resolve)
    res.write('begun')
  })
  const { httpsPort, traffic } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const stream = open(client, '/hold', { endStream: true })
  await once(stream, 'data')
  stream.close(8)
  await left.promise
  await traffic.quiet(5000)
  t.match(await ask2(client, '/'), { status: 200 })
})

t.test('a body that its client breaks off reaches no end at the app', async t => {
  const left = Promise.withResolvers<string>()
  const began = Promise.withResolvers<void>()
  const app = await backend(t, req => {
    req.on('error', () => left.resolve('broken'))
    req.on('end', () => left.resolve('whole'))
    req.once('data', () => began.resolve())
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(headers(1, post), frame(type.data, 0, 1, 'half'))
  await began.promise
  client.say(frame(type.reset, 0, 1, '\0\0\0\x08'))
  t.equal(await left.promise, 'broken')
})

t.test('an app that dies in the middle of its answer resets the stream', async t => {
  for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const app = await bareBackend(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${head.startsWith('T') ? '4\r\nhalf\r\n' : 'half'}`)
      setImmediate(() => socket.destroy())
    })
    const { httpsPort } = await secureStage(t, [routeTo(app)])
    t.match(await ask2(await session(t, httpsPort), '/'), { status: 200, code: 2 })
  }
})

t.test('an answer that comes before the whole body is passed on, and the rest is not asked for', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (said.includes('half')) {
      socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig')
    }
  })
  const { httpsPort, traffic, http2 } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  for (let n = 0; n < 5; n++) {
    const stream = open(client, '/', { method: 'POST' })
    stream.write('half')
    t.match(await told(stream), { status: 413, body: 'big', code: 0 })
  }
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
  client.close()
  await http2.end()
})

t.test('trailers, early hints and 100 Continue are passed on', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!/\r\n0\r\n.*\r\n\r\n$/s.test(said)) return
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n')
    socket.write(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
    )
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const stream = client.request(
    { ':method': 'POST', ':path': '/', ':authority': 'shop.test', trailer: 'x-in', expect: '100-continue' },
    { waitForTrailers: true },
  )
  const interim: unknown[] = []
  stream.on('headers', head => interim.push([head[':status'], head.link]))
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-in': '3', x_forwarded_for: '6.6.6.6' }))
  stream.once('continue', () => stream.end('hi'))
  const answer = told(stream)
  t.match(await answer, { status: 200, body: 'ok', trailers: { 'x-sum': '7' }, code: 0 })
  t.same(interim.at(-1), [103, '</style.css>; rel=preload'])
  t.match(app.said(), /\r\n2\r\nhi\r\n0\r\nx-in: 3\r\n\r\n$/)
  t.notMatch(app.said(), /6\.6\.6|expect/i)
})

t.test('an announced trailer that does not come leaves the answer whole', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (complete(said)) {
      socket.write(
        'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      )
    }
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  t.match(await ask2(await session(t, httpsPort), '/'), { status: 200, body: 'ok', code: 0 })
})

t.test('HEAD, 204, 205 and 304 have no body and keep their lengths', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!complete(said)) return
    const [, last] = /\/(\d+) HTTP\/1\.1(?!.*HTTP\/1\.1)/s.exec(said)!
    if (last === '200') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n')
    else if (last === '205') socket.write('HTTP/1.1 205 Reset\r\nContent-Length: 3\r\n\r\nodd')
    else socket.write(`HTTP/1.1 ${last} X\r\nETag: "x"\r\n\r\n`)
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  t.match(await ask2(client, '/200', { method: 'HEAD' }), {
    ...{ status: 200, body: '', code: 0 },
    headers: { 'content-length': '1234' },
  })
  t.match(await ask2(client, '/304'), { status: 304, body: '', headers: { etag: '"x"' }, code: 0 })
  t.match(await ask2(client, '/204'), { status: 204, body: '', code: 0 })
  t.match(await ask2(client, '/205'), { status: 205, body: '' })
})

t.test('pages of the proxy and unknown hosts are answered as in HTTP/1.1', async t => {
  const { httpsPort } = await secureStage(t, [routeTo()])
  const client = await session(t, httpsPort)
  t.match(await ask2(client, '/'), { status: 503, body: /not running/, code: 0 })
  t.match(await ask2(client, '/', { authority: 'nobody.test' }), { status: 404, body: /no app here/ })
  t.match(await ask2(client, '/', { method: 'POST', body: 'x'.repeat(1e6) }), { status: 503, code: 0 })
  t.match(await ask2(client, '/', { method: 'TRACE' }), { status: 405 })
  t.match(await ask2(client, '/', { headers: { expect: 'wonders' } }), { status: 417 })
  t.match(await ask2(client, '/', { headers: { host: 'other.test' } }), { status: 400 })
  t.match(await ask2(client, '/', { headers: { host: 'shop.test' } }), { status: 503 })
  t.match(await ask2(client, '/', { authority: undefined, headers: { host: 'shop.test' } }), { status: 503 })
  t.match(await ask2(client, '/', { authority: 'shop..test' }), { status: 400 })
  for (const path of ['/a#b', '/a?b#c', '/#']) t.match(await ask2(client, path), { status: 400 }, path)
  for (const authority of ['', 'me@shop.test', 'a b'])
    t.match(await ask2(client, '/', { authority }), { status: 0, code: 1 }, authority)
})

t.test('20 KB of cookies fit, 40 KB end their stream only', async t => {
  const app = await bareBackend(t, (socket, said) => {
    const [, cookie] = /cookie: (a+)\r\n(?!.*cookie:)/s.exec(said) ?? []
    if (complete(said))
      socket.write(`HTTP/1.1 200 OK\r\nX-Length: ${cookie!.length}\r\nContent-Length: 0\r\n\r\n`)
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  t.match(await ask2(client, '/', { headers: { cookie: 'a'.repeat(20_000) } }), {
    headers: { 'x-length': '20000' },
  })
  t.notMatch(await ask2(client, '/', { headers: { cookie: 'a'.repeat(40_000) } }), { status: 200 })
  t.match(await ask2(client, '/', { headers: { cookie: 'a' } }), { headers: { 'x-length': '1' } })
})

const malformed: Record<string, Buffer[]> = {
  'a length beyond the body': [
    headers(1, [...post, ['content-length', '5']]),
    frame(type.data, flag.endStream, 1, 'four'),
  ],
  'a body beyond the length': [
    headers(1, [...post, ['content-length', '3']]),
    frame(type.data, flag.endStream, 1, 'four'),
  ],
  'a length and no body': [headers(1, [...post, ['content-length', '5']], flag.endStream)],
  'two lengths': [
    headers(1, [...post, ['content-length', '4'], ['content-length', '4']]),
    frame(type.data, flag.endStream, 1, 'four'),
  ],
  'a signed length': [
    headers(1, [...post, ['content-length', '+4']]),
    frame(type.data, flag.endStream, 1, 'four'),
  ],
  'transfer-encoding': [headers(1, [...post, ['transfer-encoding', 'chunked']], flag.endStream)],
  connection: [headers(1, [...get, ['connection', 'close']], flag.endStream)],
  'keep-alive': [headers(1, [...get, ['keep-alive', '1']], flag.endStream)],
  'proxy-connection': [headers(1, [...get, ['proxy-connection', 'close']], flag.endStream)],
  upgrade: [headers(1, [...get, ['upgrade', 'websocket']], flag.endStream)],
  'te other than trailers': [headers(1, [...get, ['te', 'chunked']], flag.endStream)],
  'an upper-case name': [headers(1, [...get, ['X-Own', '1']], flag.endStream)],
  'a pseudo-field after others': [headers(1, [...get.slice(1), ['x', '1'], get[0]], flag.endStream)],
  'an unknown pseudo-field': [headers(1, [...get, [':own', '1']], flag.endStream)],
  'two paths': [headers(1, [...get, [':path', '/two']], flag.endStream)],
  'no path': [headers(1, get.slice(0, 3), flag.endStream)],
  'no method': [headers(1, get.slice(1), flag.endStream)],
  'no scheme': [headers(1, [get[0], get[2], get[3]], flag.endStream)],
  'a path without a slash': [headers(1, [...get.slice(0, 3), [':path', 'shop']], flag.endStream)],
  'a path that is a URL': [headers(1, [...get.slice(0, 3), [':path', 'http://evil.test/']], flag.endStream)],
  'a path that is a URL, by a scheme of its own': [
    headers(1, [get[0], [':scheme', 'x'], get[2], [':path', 'http://evil.test/']], flag.endStream),
  ],
  'a path with a space': [headers(1, [...get.slice(0, 3), [':path', '/a b']], flag.endStream)],
  'a path with a line end': [
    headers(1, [...get.slice(0, 3), [':path', '/ HTTP/1.1\r\nHost: evil.test\r\n\r\n']], flag.endStream),
  ],
  'a method with a line end': [
    headers(1, [[':method', 'GET / HTTP/1.1\r\n\r\n'], ...get.slice(1)], flag.endStream),
  ],
  'a method with a space': [headers(1, [[':method', 'GET /x'], ...get.slice(1)], flag.endStream)],
  'an authority with a line end': [
    headers(1, [...get.slice(0, 2), [':authority', 'shop.test\r\nX: y'], get[3]], flag.endStream),
  ],
  CONNECT: [
    headers(
      1,
      [
        [':method', 'CONNECT'],
        [':authority', 'shop.test:443'],
      ],
      flag.endStream,
    ),
  ],
  'a WebSocket': [
    headers(1, [[':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1)], flag.endStream),
  ],
  'pseudo-fields in trailers': [
    headers(1, post),
    frame(type.data, 0, 1, 'four'),
    headers(1, [[':path', '/evil']], flag.endStream),
  ],
}

t.test('what HTTP/2 forbids is refused, and no byte of it reaches the app', async t => {
  const app = await bareBackend(t, (socket, said) => /four|\r\n\r\n$/.test(said) && socket.write(ok))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  for (const [name, bytes] of Object.entries(malformed)) {
    const client = await wire(t, httpsPort)
    client.say(...bytes)
    const heard = await client.hears(
      ({ kind, stream }) =>
        (stream === 1 && (kind === type.reset || kind === type.headers)) || kind === type.goaway,
    )
    const told = heard === 'closed' || heard.kind !== type.headers ? 'reset' : statusOf(heard.payload)
    t.match(told, /^(reset|40[05])$/, name)
    client.socket.destroy()
  }
  t.notMatch(app.said(), /evil|websocket|CONNECT|GET/)
})

t.test('fields with line ends are not passed on', async t => {
  const app = await bareBackend(t, (socket, said) => complete(said) && socket.write(ok))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  for (const field of [
    ['x-own', 'a\r\nX-Evil: 1'],
    ['x-own', 'a\nX-Evil: 1'],
    ['x-own', 'a\0X-Evil'],
    ['x-own\r\nX-Evil', '1'],
    ['x-own: X-Evil', '1'],
    ['x own X-Evil', '1'],
  ] as const) {
    const client = await wire(t, httpsPort)
    client.say(headers(1, [...get, field], flag.endStream))
    await client.hears(({ stream, kind }) => stream === 1 || kind === type.goaway)
    client.socket.destroy()
  }
  t.notMatch(app.said(), /Evil/)
})

const floods: Record<string, (n: number) => Buffer> = {
  'rapid resets': n =>
    Buffer.concat([headers(n * 2 + 1, get, flag.endStream), frame(type.reset, 0, n * 2 + 1, '\0\0\0\x08')]),
  settings: () => frame(type.settings, 0, 0),
  'settings that change': n => frame(type.settings, 0, 0, Buffer.of(0, 4, 0, 0, n & 127, 1)),
  pings: n => frame(type.ping, 0, 0, String(n).padStart(8)),
  continuations: n =>
    n === 0
      ? frame(type.headers, flag.endStream, 1, block(...get))
      : frame(type.continuation, 0, 1, block(['x', String(n)])),
  'empty data': n => (n === 0 ? headers(1, post) : frame(type.data, 0, 1)),
  'heads of a stream that was refused': n =>
    n === 0 ? headers(1, [...get, ['te', 'all']]) : headers(1, get, flag.endStream),
  'resets that the server is made to send': n =>
    Buffer.concat([headers(n * 2 + 1, post), frame(type.window, 0, n * 2 + 1, '\0\0\0\0')]),
}

t.test('a flood ends its own connection, and others go on', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const neighbour = await session(t, httpsPort)
  for (const [name, make] of Object.entries(floods)) {
    const client = await wire(t, httpsPort)
    let said = 0
    while (!client.socket.closed && said < 200_000) {
      client.say(...Array.from({ length: 100 }, () => make(said++)))
      await turn()
    }
    t.ok(client.socket.closed, `${name}: ended within ${said}`)
    t.match(await ask2(neighbour, '/'), { status: 200 }, name)
  }
})

t.test('more streams at once than allowed are refused, and the others answered', async t => {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (_req, res) => held.push(res))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(...Array.from({ length: 130 }, (_, n) => headers(n * 2 + 1, get, flag.endStream)))
  const refused = await client.hears(({ kind }) => kind === type.reset)
  t.match(refused, { stream: 257 })
  t.equal(refused === 'closed' ? -1 : codeOf(refused), 7)
  while (held.length < 128) await turn()
  for (const res of held) res.end('ok')
  await client.hears(({ kind, flags, stream }) => kind === type.data && stream === 255 && (flags & 1) === 1)
  t.equal(held.length, 128)
})

t.test('a body that pauses too long, and a connection that nobody uses, are ended', async t => {
  const app = await backend(t, req => void req.resume())
  const { httpsPort } = await secureStage(t, [routeTo(app)], {
    limits: { patienceMs: 1000, takeMs: 1000, keepAliveMs: 100 },
  })
  const client = await session(t, httpsPort)
  const stream = open(client, '/', { method: 'POST' })
  stream.write('half')
  t.match(await told(stream), { status: 0, code: 2 })
  await once(client, 'close')
})

t.test('an answer that is quiet for longer than an idle connection may be is not ended', async t => {
  const app = await backend(t, (_req, res) => {
    res.write('one ')
    setTimeout(() => res.end('two'), 250)
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)], { limits: { keepAliveMs: 50 } })
  t.match(await ask2(await session(t, httpsPort), '/'), { status: 200, body: 'one two' })
})

t.test('a connection that has carried its share is ended in order, and its client loses nothing', async t => {
  const asked: string[] = []
  const app = await backend(t, (req, res) => {
    asked.push(req.url!)
    res.end(req.url)
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)], { limits: { requestsPerConnection: 1 } })
  let left = Array.from({ length: 300 }, (_, n) => `/${n}`)
  let connections = 0
  while (left.length > 0) {
    const client = await session(t, httpsPort)
    connections++
    // A stream that was not taken is one to ask for anew (RFC 9113 6.8).
    const told = await Promise.all(left.map(path => ask2(client, path)))
    for (const [at, { status, body }] of told.entries()) if (status === 200) t.equal(body, left[at])
    const next = left.filter((_, at) => told[at]!.status !== 200)
    t.equal(left.length - next.length, Math.min(left.length, 128))
    left = next
    await new Promise(resolve => (client.closed ? resolve(0) : client.close(() => resolve(0))))
  }
  t.equal(connections, 3)
  t.equal(asked.length, 300)
  t.equal(new Set(asked).size, 300)
})

t.test(
  'a server that leaves says so first, takes what was on its way, then tells what it has taken',
  async t => {
    const held: http.ServerResponse[] = []
    const app = await backend(t, (_req, res) => held.push(res))
    const { httpsPort, http2 } = await secureStage(t, [routeTo(app)])
    const client = await wire(t, httpsPort)
    client.say(headers(1, get, flag.endStream), headers(3, get, flag.endStream))
    while (held.length < 2) await turn()
    const ended = http2.end()
    const ping = await client.hears(({ kind, flags }) => kind === type.ping && flags === 0)
    const farewells = () =>
      client.frames
        .filter(({ kind }) => kind === type.goaway)
        .map(each => [each.payload.readUInt32BE(0), codeOf(each)])
    t.same(farewells(), [[2 ** 31 - 1, 0]])
    // It was sent before the client could know.
    client.say(headers(5, get, flag.endStream), frame(type.ping, flag.ack, 0, (ping as Frame).payload))
    while (held.length < 3 || farewells().length < 2) await turn()
    t.same(farewells()[1], [5, 0])
    for (const res of held) res.end('held')
    for (const stream of [1, 3, 5]) {
      const heard = await client.hears(frame => frame.kind === type.data && frame.stream === stream)
      t.equal(heard === 'closed' ? '' : heard.payload.toString(), 'held')
    }
    client.socket.end()
    await ended
  },
)

t.test('a client that was still shaking hands when all were taken leave of is told too', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort, http2 } = await secureStage(t, [routeTo(app)])
  await http2.end()
  const client = await wire(t, httpsPort)
  client.say(headers(1, get, flag.endStream))
  const heard = await client.hears(({ kind }) => kind === type.data)
  t.equal(heard === 'closed' ? '' : heard.payload.toString(), 'ok')
  await client.hears(({ kind, payload }) => kind === type.goaway && payload.readUInt32BE(0) === 1)
  await Promise.all([client.closed, http2.end(), http2.end()])
})

t.test('a client that does not answer when it is taken leave of is told all the same', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort, http2 } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(headers(1, get, flag.endStream))
  await client.hears(({ kind }) => kind === type.data)
  const ended = http2.end()
  await client.hears(({ kind, payload }) => kind === type.goaway && payload.readUInt32BE(0) === 1)
  await client.closed
  await ended
})

/** Of a head whose first field is `:status`: indexed, or a literal of three digits (RFC 7541, appendix A). */
function statusOf(payload: Buffer): string {
  const indexed = { 136: '200', 137: '204', 140: '400', 141: '404', 142: '500' }[payload[0]!]
  return (
    indexed ??
    (payload[1]! & 0x80
      ? huffman(payload.subarray(2, 2 + (payload[1]! & 0x7f)))
      : payload.toString('latin1', 2, 5))
  )
}

/** Digits only: 0 to 2 have five bits, 3 to 9 six (RFC 7541, appendix B). */
function huffman(bytes: Buffer): string {
  let bits = [...bytes].map(each => each.toString(2).padStart(8, '0')).join('')
  let text = ''
  while (bits.length >= 5 && !/^1+$/.test(bits)) {
    const short = Number.parseInt(bits.slice(0, 5), 2)
    const digit = short <= 2 ? short : Number.parseInt(bits.slice(0, 6), 2) - 0x19 + 3
    text += digit
    bits = bits.slice(short <= 2 ? 5 : 6)
  }
  return text
}
