import { once } from 'node:events'

import { t } from 'tap'

import { backend, bareBackend, dial, routeOf, routeTo, stage } from './stage.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const host = 'Host: shop.test\r\n'
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n'

const refused: Record<string, string> = {
  'a length and chunks': `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'chunks and a length': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
  'two lengths': `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${smuggled}`,
  'the same length twice': `POST / HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
  'a list of lengths': `POST / HTTP/1.1\r\n${host}Content-Length: 2, 2\r\n\r\nhi`,
  'a signed length': `POST / HTTP/1.1\r\n${host}Content-Length: +2\r\n\r\nhi`,
  'a negative length': `POST / HTTP/1.1\r\n${host}Content-Length: -2\r\n\r\nhi`,
  'a hexadecimal length': `POST / HTTP/1.1\r\n${host}Content-Length: 0x2\r\n\r\nhi`,
  'an endless length': `POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999999\r\n\r\nhi`,
  'another coding': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'a coding that is not chunked': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n\r\n${smuggled}`,
  'chunked that is not last': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n${smuggled}`,
  'chunked twice': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  'chunked in two lines': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a vertical tab before chunked': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'a space before the colon': `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  'a quoted coding': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
  'a folded line': `GET / HTTP/1.1\r\n${host}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n`,
  'a line that begins with a space': `GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n`,
  'bare line feeds': `GET / HTTP/1.1\nHost: shop.test\n\n`,
  'a bare carriage return': `GET / HTTP/1.1\r\n${host}X-A: b\rTransfer-Encoding: chunked\r\n\r\n`,
  'a zero byte': `GET / HTTP/1.1\r\n${host}X-A: b\0c\r\n\r\n`,
  'an empty field name': `GET / HTTP/1.1\r\n${host}: chunked\r\n\r\n`,
  'a field name with a space': `GET / HTTP/1.1\r\n${host}X A: b\r\n\r\n`,
  'chunks in HTTP/1.0': `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'no host': `GET / HTTP/1.1\r\nX-A: b\r\n\r\n`,
  'two hosts': `GET / HTTP/1.1\r\n${host}Host: evil.test\r\n\r\n`,
  'the same host twice': `GET / HTTP/1.1\r\n${host}${host}\r\n`,
  'an empty host': `GET / HTTP/1.1\r\nHost:\r\n\r\n`,
  'a host with a path': `GET / HTTP/1.1\r\nHost: shop.test/evil\r\n\r\n`,
  'a host with a user': `GET / HTTP/1.1\r\nHost: me@shop.test\r\n\r\n`,
  'a host with a space': `GET / HTTP/1.1\r\nHost: shop.test evil\r\n\r\n`,
  'a list of hosts': `GET / HTTP/1.1\r\nHost: shop.test, evil.test\r\n\r\n`,
  'a host with two dots': `GET / HTTP/1.1\r\nHost: shop..test\r\n\r\n`,
  'a host with half a character': `GET / HTTP/1.1\r\nHost: \xff.test\r\n\r\n`,
  'a good target with a bad host': `GET http://shop.test/ HTTP/1.1\r\nHost: a b\r\n\r\n`,
  'a target with a user': `GET http://me@shop.test/ HTTP/1.1\r\n${host}\r\n`,
  'a target of another scheme': `GET ftp://shop.test/ HTTP/1.1\r\n${host}\r\n`,
  'a target without a slash': `GET shop HTTP/1.1\r\n${host}\r\n`,
  'a star with GET': `GET * HTTP/1.1\r\n${host}\r\n`,
  'a target with a space': `GET /a b HTTP/1.1\r\n${host}\r\n`,
  'a target with a byte that deletes': `GET /a\x7fb HTTP/1.1\r\n${host}\r\n`,
  'a target with a fragment': `GET /a#b HTTP/1.1\r\n${host}\r\n`,
  'a target with a fragment behind its query': `GET /a?b#/../c HTTP/1.1\r\n${host}\r\n`,
  'a URL with a fragment': `GET http://shop.test/a# HTTP/1.1\r\n${host}\r\n`,
  'a URL of a host and a fragment': `GET http://shop.test#.evil.test/ HTTP/1.1\r\n${host}\r\n`,
  'an unknown method': `GOT / HTTP/1.1\r\n${host}\r\n`,
  TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
}

t.test('what could be understood in two ways is refused, and no byte of it reaches the app', async t => {
  const app = await bareBackend(t, socket => socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  for (const [name, bytes] of Object.entries(refused)) {
    t.match(await raw(bytes.replace(host, `${host}Connection: close\r\n`)), /^HTTP\/1\.1 400 /, name)
  }
  t.equal(app.said(), '')
})

t.test('other refusals have a status of their own', async t => {
  const app = await bareBackend(t, socket => socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  const close = `${host}Connection: close\r\n`
  t.match(await raw(`TRACE / HTTP/1.1\r\n${close}\r\n`), /^HTTP\/1\.1 405 .*\r\nAllow: /s)
  t.match(await raw(`CONNECT shop.test:443 HTTP/1.1\r\n${close}\r\n`), /^HTTP\/1\.1 405 /)
  t.match(await raw(`GET / HTTP/1.1\r\n${close}Expect: wonders\r\n\r\n`), /^HTTP\/1\.1 417 /)
  t.match(await raw(`GET / HTTP/1.1\r\n${close}X-A: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  t.match(
    await raw('GET / HTTP/2.0\r\nHost: shop.test\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 (400|505) /,
  )
  t.equal(app.said(), '')
})

t.test('nothing that comes behind a refused request is done', async t => {
  const app = await bareBackend(t, socket => socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  const behind = `POST /behind HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n${smuggled}`
  for (const [name, bytes] of [
    ['a method', `TRACE / HTTP/1.1\r\n${host}\r\n`],
    ['an expectation', `GET / HTTP/1.1\r\n${host}Expect: wonders\r\n\r\n`],
    ['two hosts', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
    [
      'two codings',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'chunks in HTTP/1.0',
      `POST / HTTP/1.0\r\n${host}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
  ] as const) {
    const heard = await raw(bytes + behind)
    t.match(heard, /^HTTP\/1\.1 4\d\d .*\r\nConnection: close\r\n/s, name)
    t.equal(heard.split('HTTP/1.1 ').length, 2, `${name}: one answer`)
  }
  t.equal(app.said(), '')
})

t.test('an answer that is its connection’s last is the last, whatever came behind the request', async t => {
  const app = await backend(t, (req, res) => {
    req.resume()
    req.once('end', () => res.end(`<${req.url}>`))
  })
  const { raw } = await stage(t, [routeTo(app)])
  const upgrade = `${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n`
  for (const bytes of [
    `GET /1 HTTP/1.1\r\n${upgrade}\r\n`,
    `POST /1 HTTP/1.1\r\n${upgrade}Content-Length: 2\r\n\r\nhi`,
    `POST /1 HTTP/1.1\r\n${upgrade}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
    `GET /1 HTTP/1.0\r\n${host}Connection: keep-alive\r\nConnection: close\r\n\r\n`,
    `GET /1 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  ]) {
    const heard = await raw(bytes + smuggled)
    t.match(heard, /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n.*<\/1>/s)
    t.notMatch(heard, /smuggled/)
  }
})

t.test('bytes that are no request do not take the answer from the request before them', async t => {
  const app = await backend(t, (req, res) => setTimeout(() => res.end(`<${req.url}>`), 20))
  const { raw } = await stage(t, [routeTo(app)])
  for (const nonsense of ['nonsense\r\n\r\n', `GET /2 HTTP/1.1\r\n${host}Transfer-Encoding: x\r\n\r\n`]) {
    const heard = await raw(`GET /1 HTTP/1.1\r\n${host}\r\n${nonsense}${smuggled}`)
    t.match(heard, /^HTTP\/1\.1 200 .*<\/1>/s)
    t.notMatch(heard, /<\/(2|smuggled)>/)
  }
})

t.test('CONNECT behind a request that is not answered yet harms nobody', async t => {
  const app = await backend(t, (req, res) => setTimeout(() => res.end(`<${req.url}>`), 20))
  const { raw, ask } = await stage(t, [routeTo(app)])
  const heard = await raw(
    `GET /1 HTTP/1.1\r\n${host}\r\nCONNECT shop.test:443 HTTP/1.1\r\n${host}\r\n${smuggled}`,
  )
  t.match(heard, /^(HTTP\/1\.1 200 .*<\/1>)?(HTTP\/1\.1 405 .*)?$/s)
  t.match(await ask('/2'), { body: '</2>' })
})

t.test('chunked bodies of DELETE, OPTIONS and GET stay framed and are one request', async t => {
  for (const method of ['DELETE', 'OPTIONS', 'GET']) {
    const app = await backend(t, async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      res.end(`${req.method} ${req.url} ${JSON.stringify(body)}`)
    })
    const seen: string[] = []
    app.server.on('request', req => seen.push(req.url ?? ''))
    const { raw } = await stage(t, [routeTo(app)])
    const size = smuggled.length.toString(16)
    const heard = await raw(
      `${method} /one HTTP/1.1\r\n${host}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`,
    )
    t.match(heard, `${method} /one ${JSON.stringify(smuggled)}`)
    t.same(seen, ['/one'])
  }
})

t.test('chunk extensions and odd spellings of chunked do not reach the app', async t => {
  const app = await bareBackend(t, (socket, said) => said.endsWith('0\r\n\r\n') && socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  await raw(
    `POST / HTTP/1.1\r\n${host}Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n002;a=b\r\nhi\r\n0;x\r\n\r\n`,
  )
  t.match(app.said(), /\r\nTransfer-Encoding: chunked\r\n.*\r\n\r\n2\r\nhi\r\n0\r\n\r\n$/s)
})

t.test(
  'a broken chunk in the middle of a body ends the connection, and the app sees no end of the body',
  async t => {
    const app = await bareBackend(t, () => {})
    const { port } = await stage(t, [routeTo(app)])
    const client = dial(port)
    client.socket.write(`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`)
    while (!app.said().includes('hi'))
      await once(app.server, 'connection').then(() => once(app.connections[0]!.socket, 'data'))
    client.socket.write('zz\r\n')
    await client.closed
    t.notMatch(app.said(), /\r\n0\r\n/)
  },
)

t.test('a client’s words about itself are replaced, however they are spelt', async t => {
  const app = await backend(t, (req, res) => res.end(JSON.stringify(req.rawHeaders)))
  const { ask } = await stage(t, [routeTo(app)])
  const names = [
    'X-Forwarded-For',
    'x-forwarded-for',
    'X_Forwarded_For',
    'X.Forwarded.For',
    'X-Forwarded_For',
    'x_forwarded-for',
    'X-Forwarded-Proto',
    'X_Forwarded_Proto',
    'X-Forwarded-Host',
    'X.Forwarded.Host',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Server',
    'X-Forwarded-Ssl',
    'X-Forwarded-By',
    'X-Forwarded',
    'X_Forwarded',
    'Forwarded',
    'X-Real-IP',
    'X_Real_IP',
    'Proxy',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Proxy_Connection',
    'Keep-Alive',
    'Keep_Alive',
    'TE',
    'HTTP2-Settings',
    'Content_Length',
    'Content.Length',
    'Transfer_Encoding',
    'Transfer.Encoding',
    'X-Request_Id',
    'X.Request.Id',
    'Upgrade',
  ]
  const headers = Object.fromEntries(names.map(name => [name, 'evil']))
  const { body } = await ask('/', {
    headers: { ...headers, 'X-Forwarded-For': ['evil', 'evil'], Good: 'fine' },
  })
  const raw: string[] = JSON.parse(body)
  t.notOk(raw.includes('evil'), body)
  const seen = Object.fromEntries(raw.flatMap((name, at) => (at % 2 ? [] : [[name, raw[at + 1]]])))
  t.match(seen, {
    Good: 'fine',
    Host: 'shop.test',
    'X-Forwarded-For': '127.0.0.1',
    'X-Forwarded-Proto': 'http',
    'X-Forwarded-Host': 'shop.test',
    'X-Forwarded-Port': /^\d+$/,
    'X-Request-Id': /^[0-9a-f-]{36}$/,
  })
})

t.test(
  'of some forty hostile fields exactly those that are harmless arrive, in their order and spelling',
  async t => {
    const app = await bareBackend(t, (socket, said) => said.endsWith('\r\n\r\n') && socket.write(ok))
    const { port, raw } = await stage(t, [routeTo(app)])
    const lines = [
      'Host: SHOP.test:99',
      'Connection: close, X-Named, Cookie2, X-Forwarded-For',
      'Keep-Alive: timeout=1000',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eA==',
      'Proxy-Anything: 1',
      'Proxy_Authorization: Basic eA==',
      'Proxy: http://evil.test',
      'TE: trailers, deflate',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
      'X-Named: 1',
      'Cookie2: 1',
      'Expect:100-continue',
      'Content_Length: 44',
      'Content.Length: 44',
      'Transfer_Encoding: chunked',
      'TRANSFER.ENCODING: chunked',
      'X-Forwarded-For: 6.6.6.6',
      'x_forwarded_for: 6.6.6.6',
      'X.Forwarded.For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.test',
      'X-Forwarded-Port: 443',
      'X-Forwarded-User: root',
      'X-Forwarded: for=6.6.6.6',
      'Forwarded: for=6.6.6.6;proto=https',
      'X-Real-IP: 6.6.6.6',
      'X_REAL_IP: 6.6.6.6',
      'X-Request-Id: not a plain one',
      'X-Request_Id: 1',
      'X-Original-URL: /admin',
      'X-HTTP-Method-Override: DELETE',
      'Range: bytes=0-,0-,0-',
      'Content-Type: text/%s%n{}',
      'Cookie: a=1',
      'cookie: a=2',
      '__proto__: 1',
      'constructor: 2',
      'X-Empty:',
      'X-Text: \ta  "b"\xff\t ',
      'X-Long: '.padEnd(8000, 'a'),
    ]
    t.match(await raw(`GET /?a=b HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), /^HTTP\/1\.1 200 /)
    const id = /X-Request-Id: ([0-9a-f-]{36})\r\n/.exec(app.said())?.[1]
    t.equal(
      app.said(),
      [
        'GET /?a=b HTTP/1.1',
        'Host: SHOP.test:99',
        'X-Original-URL: /admin',
        'X-HTTP-Method-Override: DELETE',
        'Range: bytes=0-,0-,0-',
        'Content-Type: text/%s%n{}',
        'Cookie: a=1',
        'cookie: a=2',
        '__proto__: 1',
        'constructor: 2',
        'X-Empty: ',
        'X-Text: a  "b"\xff',
        'X-Long: '.padEnd(8000, 'a'),
        'X-Forwarded-For: 127.0.0.1',
        'X-Forwarded-Proto: http',
        'X-Forwarded-Host: SHOP.test:99',
        `X-Forwarded-Port: ${port}`,
        `X-Request-Id: ${id}`,
        'Connection: keep-alive',
        ...['', ''],
      ].join('\r\n'),
    )
  },
)

t.test('fields named in Connection go, both ways, and those of the proxy cannot be named away', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (!said.endsWith('body')) return
    socket.write(
      'HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: x\r\nX-Kept: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok',
    )
  })
  const { raw } = await stage(t, [routeTo(app)])
  const heard = await raw(
    `POST / HTTP/1.1\r\n${host}Connection: close, X-Hop, Host, Content-Length\r\nConnection: X-Forwarded-For, x-request-id\r\nX-Hop: 1\r\nX-Stays: 2\r\nContent-Length: 4\r\n\r\nbody`,
  )
  t.notMatch(app.said(), /X-Hop|close/i)
  t.match(app.said(), /X-Stays: 2\r\n/)
  for (const field of [
    'Host: shop.test',
    'Content-Length: 4',
    'X-Forwarded-For: 127.0.0.1',
    'X-Request-Id: ',
  ]) {
    t.match(app.said().toLowerCase(), field.toLowerCase())
  }
  t.notMatch(heard, /X-Secret|timeout=9|Proxy-Auth/i)
  t.match(heard, /X-Kept: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n/)
})

t.test('field names that mean something to JavaScript are fields like others', async t => {
  const app = await bareBackend(t, (socket, said) => said.endsWith('\r\n\r\n') && socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  const odd = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf']
  const fields = odd.map(name => `${name}: a\r\n${name}: b\r\n`).join('')
  t.match(await raw(`GET / HTTP/1.1\r\n${host}Connection: close\r\n${fields}\r\n`), /200 OK/)
  for (const name of odd) t.match(app.said(), `${name}: a\r\n${name}: b\r\n`)
  t.match(await raw('GET / HTTP/1.1\r\nHost: __proto__\r\nConnection: close\r\n\r\n'), /404 /)
})

t.test('of three thousand fields none is lost', async t => {
  const app = await bareBackend(t, (socket, said) => said.endsWith('\r\n\r\n') && socket.write(ok))
  const { raw } = await stage(t, [routeTo(app)])
  const fields = 'a:\r\n'.repeat(3000)
  t.match(await raw(`GET / HTTP/1.1\r\n${host}Connection: close\r\n${fields}Last: 1\r\n\r\n`), /200 OK/)
  t.match(app.said(), /Last: 1\r\n/)
  t.equal(app.said().split('\r\na: ').length, 3001)
})

t.test('the absolute form leads to its own host', async t => {
  const one = await bareBackend(t, socket => socket.write(ok))
  const two = await bareBackend(t, socket => socket.write(ok))
  const { raw } = await stage(t, [routeTo(one), routeOf('other', ['other.test'], [two])])
  await raw('GET http://OTHER.test:80?q=1 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
  t.equal(one.said(), '')
  t.match(two.said(), /^GET \/\?q=1 HTTP\/1\.1\r\nHost: OTHER\.test:80\r\n/)
})

t.test('pipelined requests are answered in their order', async t => {
  const app = await backend(t, (req, res) =>
    setTimeout(() => res.end(`<${req.url}>`), req.url === '/1' ? 30 : 0),
  )
  const { raw } = await stage(t, [routeTo(app)])
  const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n`
  const heard = await raw(get('/1') + get('/2') + get('/3', 'Connection: close\r\n'))
  t.match(heard, /<\/1>.*<\/2>.*<\/3>$/s)
})

t.test('a sane request id is kept, any other is replaced, and the client learns it', async t => {
  const app = await backend(t, (req, res) => {
    res.setHeader('x-request-id', 'the-app’s-own'.normalize('NFKD').replace(/[^\x20-\x7e]/g, ''))
    res.end(String(req.headers['x-request-id']))
  })
  const { ask } = await stage(t, [routeTo(app)])
  const kept = await ask('/', { headers: { 'X-Request-Id': 'trace-1.a:b' } })
  t.match(kept, { body: 'trace-1.a:b', headers: { 'x-request-id': 'trace-1.a:b' } })
  for (const id of ['a b', 'a'.repeat(129), '<script>', '']) {
    const { body, headers } = await ask('/', { headers: { 'X-Request-Id': id } })
    t.match(body, /^[0-9a-f-]{36}$/)
    t.equal(headers['x-request-id'], body)
  }
  const { body } = await ask('/', { headers: { 'X-Request-Id': ['a', 'b'] } })
  t.match(body, /^[0-9a-f-]{36}$/)
})

t.test('a head that never ends, and a body that stops coming, end', async t => {
  const app = await backend(t, (req, res) => req.pipe(res))
  const { port } = await stage(t, [routeTo(app)], { headMs: 40, patienceMs: 1000, takeMs: 1000 })
  const slow = dial(port)
  slow.socket.write('GET / HTTP/1.1\r\nHost: sh')
  const stuck = dial(port)
  stuck.socket.write(`POST / HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nhalf`)
  await Promise.all([slow.closed, stuck.closed])
})

t.test('chunks of one byte are not passed on one by one, and arrive as they were', async t => {
  const text = Array.from({ length: 20_000 }, (_, at) => String(at % 7)).join('')
  const chunks = `${[...text].map(byte => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`
  const whole = /\r\n0\r\n\r\n$/
  const app = await bareBackend(t, (socket, said) => {
    if (!whole.test(said)) return
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
  })
  const { port } = await stage(t, [routeTo(app)])
  const client = dial(port)
  client.socket.write(`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${chunks}`)
  await client.hears(whole)
  for (const heard of [app.said(), client.heard()]) {
    const parts = heard.slice(heard.indexOf('\r\n\r\n') + 4).split('\r\n')
    t.ok(parts.length < 2000, `${parts.length / 2} chunks`)
    t.equal(parts.filter((_, at) => at % 2 === 1).join(''), text)
  }
  client.socket.destroy()
})

t.test('a client of HTTP/1.0 is not told to go on: it knows no interim answers', async t => {
  const app = await backend(t, (req, res) => req.resume().once('end', () => res.end('taken')))
  const { raw } = await stage(t, [routeTo(app)])
  const heard = await raw(`POST / HTTP/1.0\r\n${host}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`)
  t.match(heard, /^HTTP\/1\.1 200 .*taken$/s)
})

t.test('of a thousand requests that come at once each waits for its turn among all connections', async t => {
  const { port, trips } = await stage(t, [])
  const flood = dial(port)
  const last = `HEAD /flood HTTP/1.1\r\n${host}Connection: close\r\n\r\n`
  flood.socket.write(`HEAD /flood HTTP/1.1\r\n${host}\r\n`.repeat(999) + last)
  await flood.hears(/404/)
  const client = dial(port)
  client.socket.write(`GET /mine HTTP/1.1\r\n${host}\r\n`)
  await client.hears(/404/)
  const before = trips.findIndex(({ asked }) => asked?.path === '/mine')
  t.ok(before < 900, `${before} were answered before`)
  await flood.closed
  client.socket.destroy()
  t.equal(flood.heard().split(' 404 ').length, 1001)
})
