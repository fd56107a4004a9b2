import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { ask, backend, bareBackend, dial, routeTo, stage } from './stage.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const complete = (said: string) => said.endsWith('\r\n\r\n')

t.test('a request reaches the app with its host, path and query as they came', async t => {
  const app = await bareBackend(t, (socket, said) => complete(said) && socket.write(ok))
  const { ask } = await stage(t, [routeTo(app)])
  t.match(await ask('//a//b/../c%2F?x=1&&y=?z', { host: 'SHOP.test.:8080' }), { status: 200, body: 'ok' })
  t.match(app.said(), /^GET \/\/a\/\/b\/\.\.\/c%2F\?x=1&&y=\?z HTTP\/1\.1\r\n/)
  t.match(app.said(), /\r\nhost: SHOP\.test\.:8080\r\n/i)
})

t.test('an answer’s head says what the app said, and how the connection goes on', async t => {
  const date = 'Thu, 01 Jan 2026 00:00:00 GMT'
  const head = `HTTP/1.1 200 Fine by me\r\nX-Odd:  \xe9 \r\ndate: ${date}\r\nContent-Length: 2\r\n`
  const app = await bareBackend(
    t,
    (socket, said) => complete(said) && socket.write(`${head}\r\nok`, 'latin1'),
  )
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  const request = 'GET / HTTP/1.1\r\nHost: shop.test\r\nX-Request-Id: 1\r\n'
  const told = `HTTP/1.1 200 Fine by me\r\nX-Odd: \xe9\r\ndate: ${date}\r\nContent-Length: 2\r\nX-Request-Id: 1\r\n`
  const lasting = `${told}Connection: keep-alive\r\nKeep-Alive: timeout=75, max=100000\r\n\r\nok`
  client.socket.write(`${request}\r\n`)
  await client.hears(/ok$/)
  t.equal(client.heard(), lasting)
  client.socket.write(`${request}Connection: close\r\n\r\n`)
  await client.closed
  t.equal(client.heard(), `${lasting}${told}Connection: close\r\n\r\nok`)
})

t.test('10 MB pass unharmed, both ways at once', async t => {
  const app = await backend(t, (req, res) => req.pipe(res))
  const { port } = await stage(t, [routeTo(app)])
  const body = randomBytes(10 * 1024 * 1024)
  for (const headers of [{ 'content-length': body.length }, { 'transfer-encoding': 'chunked' }]) {
    const req = http.request({ port, method: 'POST', headers: { host: 'shop.test', ...headers } })
    req.end(body)
    const [res] = (await once(req, 'response')) as [http.IncomingMessage]
    const hash = createHash('sha256')
    for await (const chunk of res) hash.update(chunk)
    t.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'))
  }
})

t.test('a client that does not read holds the app back', async t => {
  let written = 0
  const app = await backend(t, (_req, res) => {
    const more = () => {
      while (written < 200e6) {
        written += 65536
        if (!res.write(Buffer.alloc(65536))) return void res.once('drain', more)
      }
    }
    res.on('error', () => {})
    more()
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await client.hears(/200 OK/)
  client.socket.pause()
  let last = -1
  while (written !== last) {
    last = written
    for (let n = 0; n < 200; n++) await turn()
  }
  t.ok(written < 40e6, `${written} bytes were taken`)
  client.socket.destroy()
})

t.test('an app that does not read holds the client back', async t => {
  const app = await bareBackend(t, socket => socket.pause())
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 200000000\r\n\r\n')
  await once(app.server, 'connection')
  let last = -1
  let taken = 0
  while (taken !== last) {
    last = taken
    while (taken < 200e6 && client.socket.write(Buffer.alloc(65536))) taken += 65536
    for (let n = 0; n < 500; n++) await turn()
  }
  t.ok(taken < 40e6, `${taken} bytes were taken`)
  client.socket.destroy()
})

t.test('the first event of a stream arrives while the stream is open, and its head before that', async t => {
  const streams: http.ServerResponse[] = []
  const app = await backend(t, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
    streams.push(res)
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  t.match(await client.hears(/event-stream/), /HTTP\/1\.1 200 OK/)
  streams[0]!.write('data: one\n\n')
  t.match(await client.hears(/data: one/), /data: one/)
  client.socket.destroy()
})

t.test('requests of one client share its connection, and connections to the app are kept', async t => {
  let connections = 0
  const app = await backend(t, (_req, res) => res.end('ok'))
  app.server.on('connection', () => connections++)
  const { port } = await stage(t, [routeTo(app)])
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let n = 0; n < 5; n++) t.match(await ask(port, '/', { agent }), { status: 200 })
  t.equal(connections, 1)
})

t.test('a client that leaves early frees the app', async t => {
  const left = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const app = await backend(t, (_req, res) => {
    began.resolve()
    res.once('close', left.resolve)
  })
  const { port, traffic } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await began.promise
  client.socket.resetAndDestroy()
  await left.promise
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('a client that leaves in the middle of its body frees the app', async t => {
  const left = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const app = await backend(t, req => {
    req.on('error', () => left.resolve())
    req.once('data', () => began.resolve())
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100\r\n\r\nhalf')
  await began.promise
  client.socket.destroy()
  await left.promise
})

t.test('an app that dies in the middle of its answer ends the client’s answer too', async t => {
  for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const app = await bareBackend(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${head.startsWith('T') ? '4\r\nhalf\r\n' : 'half'}`)
      setImmediate(() => socket.destroy())
    })
    const { port } = await stage(t, [routeTo(app)])
    const client = dial(port)
    client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await client.closed
    t.match(client.heard(), /half/)
    t.notMatch(client.heard(), /\r\n0\r\n\r\n/)
  }
})

t.test('an app that answers nonsense, or nothing, is a 502', async t => {
  const answers = [
    'nonsense\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n',
    '',
  ]
  for (const answer of answers) {
    const app = await bareBackend(t, socket => socket.end(answer))
    const { ask } = await stage(t, [routeTo(app)])
    t.match(await ask('/'), { status: 502, body: /did not answer/ }, JSON.stringify(answer))
  }
})

t.test('an app that is silent is a 504, and is asked no more', async t => {
  const left = Promise.withResolvers<void>()
  const app = await backend(t, (_req, res) => res.once('close', left.resolve))
  const { ask } = await stage(t, [routeTo(app)], { answerMs: 50 })
  t.match(await ask('/'), { status: 504, body: /too long/ })
  await left.promise
})

t.test('a kept connection that nobody uses is closed before the app would close it', async t => {
  const closed = Promise.withResolvers<number>()
  let asked = 0
  const app = await backend(t, (_req, res) => {
    asked = performance.now()
    res.end('hello')
  })
  app.server.on('connection', socket => socket.once('close', () => closed.resolve(performance.now() - asked)))
  const { ask } = await stage(t, [routeTo(app)])
  t.match(await ask('/'), { status: 200 })
  const ms = await closed.promise
  t.ok(ms > 1_000 && ms < 2_000, `${ms} ms`)
})

t.test('a kept connection that the app has just closed costs no request', async t => {
  let served = 0
  const app = await bareBackend(t, (socket, said) => {
    if (!complete(said)) return
    // The second request on a connection meets a reset, as from a server that closes idle connections.
    if (said.split('GET ').length > 2) socket.resetAndDestroy()
    else {
      served++
      socket.write(ok)
    }
  })
  const { ask } = await stage(t, [routeTo(app)])
  for (let n = 0; n < 6; n++) t.match(await ask('/'), { status: 200 })
  t.equal(served, 6)
})

t.test('a request with a body, or a POST, is never sent twice', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (said.startsWith('GET') && said.includes('POST')) socket.resetAndDestroy()
    else if (complete(said)) socket.write(ok)
  })
  const { ask } = await stage(t, [routeTo(app)])
  t.match(await ask('/'), { status: 200 })
  t.match(await ask('/', { method: 'POST', body: '' }), { status: 502 })
  t.equal(app.said().split('POST').length, 2)
})

t.test('an upstream that refuses is passed over, with the body untouched', async t => {
  const app = await backend(t, (req, res) => req.pipe(res))
  const dead = await backend(t, () => {})
  dead.server.close()
  await once(dead.server, 'close')
  const { ask } = await stage(t, [routeTo(dead, app)])
  for (let n = 0; n < 4; n++) {
    t.match(await ask('/', { method: 'POST', body: 'all of it' }), { status: 200, body: 'all of it' })
  }
})

t.test('an upstream that refuses and is the only one is a 502', async t => {
  const dead = await backend(t, () => {})
  dead.server.close()
  await once(dead.server, 'close')
  const { ask } = await stage(t, [routeTo(dead)])
  t.match(await ask('/'), { status: 502 })
})

t.test('upstreams take turns, and a busy one is spared', async t => {
  const held: http.ServerResponse[] = []
  const one = await backend(t, (req, res) => (req.url === '/hold' ? held.push(res) : res.end('one')))
  const two = await backend(t, (req, res) => (req.url === '/hold' ? held.push(res) : res.end('two')))
  const { ask, port } = await stage(t, [routeTo(one, two)])
  const turns = [await ask('/'), await ask('/'), await ask('/'), await ask('/')].map(({ body }) => body)
  t.equal(new Set(turns).size, 2)
  t.same(turns.slice(0, 2), turns.slice(2))
  const holding = dial(port)
  holding.socket.write('GET /hold HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  while (held.length === 0) await turn()
  const spared = [await ask('/'), await ask('/'), await ask('/')].map(({ body }) => body)
  t.equal(new Set(spared).size, 1)
  holding.socket.destroy()
})

t.test('Expect: 100-continue is answered when the app is there, and not passed on', async t => {
  const app = await bareBackend(t, (socket, said) => said.endsWith('body') && socket.write(ok))
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write(
    'PUT / HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
  )
  t.match(await client.hears(/100 Continue\r\n\r\n/), /^HTTP\/1\.1 100 Continue\r\n\r\n/)
  client.socket.write('body')
  t.match(await client.hears(/ok$/), /200 OK/)
  t.notMatch(app.said(), /expect/i)
  client.socket.destroy()
})

t.test('Expect: 100-continue for an unknown host is refused without the body', async t => {
  const { raw } = await stage(t, [])
  const heard = await raw(
    'PUT / HTTP/1.1\r\nHost: nobody.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
  )
  t.match(heard, /^HTTP\/1\.1 404 /)
  t.notMatch(heard, /100 Continue/)
})

t.test('an answer that comes before the whole body is passed on', async t => {
  const app = await bareBackend(t, socket => {
    socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig')
  })
  const { port, traffic } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nhalf')
  t.match(await client.hears(/big$/), /413/)
  client.socket.destroy()
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})

t.test('trailers and early hints are passed on', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!/\r\n0\r\n.*\r\n\r\n$/s.test(said)) return
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n')
    socket.write(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
    )
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write(
    'POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-In\r\n\r\n2\r\nhi\r\n0\r\nX-In: 3\r\nHost: evil.test\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n',
  )
  const heard = await client.hears(/X-Sum: 7\r\n\r\n/)
  t.match(heard, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/style\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200/i)
  t.match(heard, /\r\n0\r\nX-Sum: 7\r\n\r\n$/)
  t.match(app.said(), /\r\n0\r\nX-In: 3\r\n\r\n$/)
  t.notMatch(app.said(), /evil|6\.6|Content-Length/)
  client.socket.destroy()
})

t.test('trailers that are announced where none can come do not spoil the answer', async t => {
  const head = (status: string, more: string) =>
    `HTTP/1.1 ${status}\r\nTrailer: X-Sum\r\nX-A: 1\r\n${more}\r\n`
  for (const [asked, answer, heard] of [
    ['GET / HTTP/1.1', `${head('200 OK', 'Content-Length: 2\r\n')}ok`, /200 OK.*\r\n\r\nok$/s],
    ['GET / HTTP/1.1', head('304 Not Modified', ''), /304 Not Modified.*\r\n\r\n$/s],
    ['GET / HTTP/1.1', head('204 No Content', ''), /204 No Content.*\r\n\r\n$/s],
    ['HEAD / HTTP/1.1', head('200 OK', 'Transfer-Encoding: chunked\r\n'), /200 OK.*\r\n\r\n$/s],
    [
      'GET / HTTP/1.0',
      `${head('200 OK', 'Transfer-Encoding: chunked\r\n')}2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`,
      /200 OK.*\r\n\r\nok$/s,
    ],
  ] as const) {
    const app = await bareBackend(t, (socket, said) => complete(said) && socket.write(answer))
    const { raw } = await stage(t, [routeTo(app)])
    const all = await raw(`${asked}\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
    t.match(all, heard)
    t.match(all, 'X-A: 1')
    t.notMatch(all, 'Trailer')
  }
})

t.test('an answer that ends with its connection is not whole when that is reset', async t => {
  const app = await bareBackend(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setImmediate(() => socket.resetAndDestroy()))
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await client.closed
  t.notMatch(client.heard(), /\r\n0\r\n\r\n/)
})

t.test('an HTTP/1.0 client gets a body without chunks', async t => {
  const app = await backend(t, (_req, res) => {
    res.write('one ')
    res.end('two')
  })
  const { raw } = await stage(t, [routeTo(app)])
  const heard = await raw('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n')
  t.match(heard, /\r\n\r\none two$/)
  t.notMatch(heard, /chunked/i)
})

t.test('HEAD, 204 and 304 have no body and keep their lengths', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!complete(said)) return
    if (said.includes('HEAD ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n')
    else if (said.includes('/304'))
      socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: "x"\r\n\r\n')
    else socket.write('HTTP/1.1 204 No Content\r\n\r\n')
  })
  for (const [method, path, pattern] of [
    ['HEAD', '/', /200 OK.*content-length: 1234.*\r\n\r\n$/is],
    ['GET', '/304', /304 Not Modified.*etag: "x".*\r\n\r\n$/is],
    ['GET', '/204', /204 No Content.*\r\n\r\n$/s],
  ] as const) {
    const { raw } = await stage(t, [routeTo(app)])
    t.match(await raw(`${method} ${path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`), pattern)
  }
})
