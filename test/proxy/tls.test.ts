import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'

import { t } from 'tap'

import { selfSigned } from '../../src/self-signed.ts'
import type { Certificate } from '../../src/types.ts'
import { ask2, secure, session } from './client2.ts'
import { backend, bareBackend, routeOf, routeTo, secureStage } from './stage.ts'

t.test('HTTP/1.1 and HTTP/2 are agreed on, and both reach the app', async t => {
  const app = await backend(t, (req, res) => res.end(`${req.headers['x-forwarded-proto']} ${req.url}`))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  t.match(await ask2(await session(t, httpsPort), '/two?2'), { status: 200, body: 'https /two?2' })
  t.match(await curl(httpsPort, '--http2', '/b'), /^HTTP\/2 200 .*https \/b$/s)
  t.match(await curl(httpsPort, '--http1.1', '/a'), /^HTTP\/1\.1 200 .*https \/a$/s)
  for (const ALPNProtocols of [['http/1.1'], undefined]) {
    const client = await secure(t, httpsPort, ALPNProtocols ? { ALPNProtocols } : {})
    client.write('GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    await once(client, 'close')
    t.match(client.heard(), /^HTTP\/1\.1 200 .*https \/x/s)
  }
  await t.rejects(secure(t, httpsPort, { ALPNProtocols: ['spdy/3'] }), { code: /NO_APPLICATION_PROTOCOL/ })
})

t.test('a name gets its own certificate, then its wildcard’s, and any other the self-signed one', async t => {
  const certificates = [
    await certificate('shop', ['shop.test', 'www.shop.test']),
    await certificate('all', ['*.shop.test']),
    await certificate('deep', ['*.a.shop.test']),
  ]
  const { httpsPort } = await secureStage(t, [], { certificates })
  const shown = async (servername: string) => {
    const socket = await secure(t, httpsPort, { servername })
    socket.end()
    return socket.getPeerCertificate().subject.CN
  }
  t.equal(await shown('shop.test'), 'shop.test')
  t.equal(await shown('SHOP.test'), 'shop.test')
  t.equal(await shown('www.shop.test'), 'shop.test')
  t.equal(await shown('a.shop.test'), '*.shop.test')
  t.equal(await shown('b.a.shop.test'), '*.a.shop.test')
  for (const other of [
    'c.b.a.shop.test',
    'test',
    'xshop.test',
    'shop.test.evil',
    'constructor',
    '__proto__',
    '',
  ])
    t.equal(await shown(other), 'no-certificate.invalid', other)
})

t.test('a certificate is replaced under load, and no connection notices', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort, certificates } = await secureStage(t, [routeTo(app)], {
    certificates: [await certificate('shop', ['shop.test'])],
  })
  const kept = await session(t, httpsPort)
  let done = false
  let served = 0
  const load = async () => {
    while (!done) {
      t.match(await ask2(kept, '/'), { status: 200 })
      const fresh = await session(t, httpsPort)
      t.match(await ask2(fresh, '/'), { status: 200 })
      fresh.close()
      served++
    }
  }
  const loads = [load(), load(), load()]
  for (const key of ['ec', 'rsa', 'ec']) {
    const next = await certificate('shop', ['shop.test'], key as 'ec')
    certificates.put(next)
    const socket = await secure(t, httpsPort)
    const shown = socket.getPeerX509Certificate()
    t.equal(shown?.toString(), next.chain)
    socket.destroy()
  }
  const seen = served
  while (served < seen + 3) await new Promise(setImmediate)
  done = true
  await Promise.all(loads)
  certificates.forget('shop')
  const socket = await secure(t, httpsPort)
  t.equal(socket.getPeerCertificate().subject.CN, 'no-certificate.invalid')
  t.match(await ask2(kept, '/'), { status: 200 })
})

t.test('only TLS 1.2 and 1.3 are spoken, with forward secrecy and authenticated ciphers', async t => {
  const ec = await certificate('ec', ['ec.test'])
  const rsa = await certificate('rsa', ['rsa.test'], 'rsa')
  const { httpsPort } = await secureStage(t, [], { certificates: [ec, rsa] })
  const ciphers = new Set<string>()
  for (const servername of ['ec.test', 'rsa.test']) {
    for (const cipher of tls.getCiphers().map(each => each.toUpperCase())) {
      const [version, offer] = cipher.startsWith('TLS_')
        ? (['TLSv1.3', cipher] as const)
        : (['TLSv1.2', `${cipher}:@SECLEVEL=0`] as const)
      const client = await secure(t, httpsPort, {
        ...{ servername, minVersion: version, maxVersion: version, ciphers: offer },
      }).catch(() => undefined)
      if (client) ciphers.add(client.getCipher().name)
      client?.destroy()
    }
  }
  t.same([...ciphers].sort(), [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ])
  const chosen = async (...ciphers: string[]) => {
    const client = await secure(t, httpsPort, { servername: 'ec.test', ciphers: ciphers.join(':') })
    const { name } = client.getCipher()
    client.destroy()
    return name
  }
  const [small, large, light] = [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ] as const
  t.equal(await chosen(large, light, small), small)
  t.equal(await chosen(light, large, small), light)
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    const old = { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }
    await t.rejects(secure(t, httpsPort, old), version)
  }
  const modern = await secure(t, httpsPort, { ecdhCurve: 'X25519MLKEM768' })
  t.equal(modern.getProtocol(), 'TLSv1.3')
})

t.test('a client that does not finish its handshake is let go', async t => {
  const { httpsPort } = await secureStage(t, [], { limits: { handshakeMs: 50 } })
  const silent = net.connect(httpsPort, '127.0.0.1')
  const slow = net.connect(httpsPort, '127.0.0.1')
  for (const socket of [silent, slow]) socket.on('error', () => {}).resume()
  slow.write(Buffer.from('160301020001', 'hex'))
  await Promise.all([once(silent, 'close'), once(slow, 'close')])
})

t.test('renegotiation is refused', async t => {
  const { httpsPort } = await secureStage(t, [])
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${httpsPort}`, '-tls1_2'])
  let said = ''
  for (const stream of [client.stdout, client.stderr]) {
    stream.on('data', chunk => {
      said += chunk
    })
  }
  t.teardown(() => client.kill())
  while (!/Verify return code/.test(said)) await once(client.stdout, 'data')
  client.stdin.write('R\n')
  await once(client, 'close')
  t.match(said, /RENEGOTIATING.*no renegotiation/s)
})

t.test('garbage in place of a handshake ends its connection and nothing else', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const hello = await clientHello('shop.test')
  for (let n = 0; n < 300; n++) {
    const bytes = Buffer.from(hello)
    // A fixed sequence: each time other bytes are changed, or the end is missing.
    for (let at = 0; at <= n % 4; at++)
      bytes[(n * 7919 + at * 104_729) % bytes.length]! ^= 1 << ((n + at) % 8)
    const cut = n % 3 === 0 ? bytes.subarray(0, (n * 31) % bytes.length) : bytes
    const socket = net.connect(httpsPort, '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.end(cut)
    await once(socket, 'close')
  }
  t.match(await ask2(await session(t, httpsPort), '/'), { status: 200 })
})

t.test('hostile server names end their connection at most', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const names = [
    '.',
    '..',
    '*.shop.test',
    'a'.repeat(255),
    `${'a.'.repeat(120)}b`,
    'shop.test\0',
    ' ',
    '\n',
    '%00',
    '[::1]',
    '\xff\xfe',
  ]
  for (const name of names) {
    const socket = net.connect(httpsPort, '127.0.0.1')
    socket.on('error', () => {})
    const answered = once(socket, 'data')
    socket.end(await clientHello(name))
    await Promise.race([answered.catch(() => {}), once(socket, 'close')])
    socket.destroy()
  }
  t.match(await ask2(await session(t, httpsPort), '/'), { status: 200 })
})

t.test('HTTP in the clear on the port of HTTPS is not answered', async t => {
  const { httpsPort } = await secureStage(t, [])
  const socket = net.connect(httpsPort, '127.0.0.1')
  socket.on('error', () => {}).resume()
  socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  await once(socket, 'close')
})

t.test('a head that does not come to its end has its deadline over TLS too', async t => {
  const { httpsPort } = await secureStage(t, [], { limits: { headMs: 100 } })
  const client = await secure(t, httpsPort)
  client.write('GET / HTTP/1.1\r\nHost: shop')
  await once(client, 'close')
  t.match(client.heard(), /^HTTP\/1\.1 408 /)
})

t.test('a WebSocket goes through TLS, over HTTP/1.1', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (said.endsWith('\r\n\r\n')) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    } else socket.write(said.slice(said.indexOf('\r\n\r\n') + 4))
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await secure(t, httpsPort, { ALPNProtocols: ['http/1.1'] })
  client.write(
    'GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n',
  )
  while (!client.heard().includes('\r\n\r\n')) await once(client, 'data')
  client.write('\x81\x02hi')
  while (!client.heard().endsWith('hi')) await once(client, 'data')
  t.match(client.heard(), /^HTTP\/1\.1 101 /)
  t.match(app.said(), /X-Forwarded-Proto: https/i)
})

t.test('requests over TLS keep their connection', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort } = await secureStage(t, [routeOf('shop', ['127.0.0.1'], [app])])
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (let n = 0; n < 5; n++) {
    const req = https.get({ host: '127.0.0.1', port: httpsPort, agent })
    const [res] = await once(req, 'response')
    ports.add(res.socket.localPort)
    res.resume()
    await once(res, 'end')
  }
  t.equal(ports.size, 1)
})

t.test('large bodies go both ways over TLS unharmed, counted and in chunks', async t => {
  const app = await backend(t, (req, res) => {
    const length = req.headers['content-length']
    if (length !== undefined) res.setHeader('content-length', length)
    req.pipe(res)
  })
  const { httpsPort } = await secureStage(t, [routeOf('shop', ['127.0.0.1'], [app])])
  const body = randomBytes(3_000_000)
  for (const headers of [{ 'content-length': body.length }, {}]) {
    const options = { host: '127.0.0.1', port: httpsPort, method: 'POST', headers, rejectUnauthorized: false }
    const [res] = await once(https.request(options).end(body), 'response')
    t.ok(body.equals(Buffer.concat(await Array.fromAsync(res as AsyncIterable<Buffer>))))
  }
})

async function certificate(
  name: string,
  hostnames: readonly string[],
  kind: 'ec' | 'rsa' = 'ec',
): Promise<Certificate> {
  const made = kind === 'ec' ? await selfSigned(hostnames, { days: 2 }) : await rsa(hostnames)
  return { name, hostnames, ...made }
}

async function rsa(hostnames: readonly string[]) {
  const pem = await output('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '-', '-out', '-', '-config', '/dev/null'],
    ...['-subj', `/CN=${hostnames[0]}`, '-addext', `subjectAltName=DNS:${hostnames.join(',DNS:')}`],
  ])
  const [key, chain] = pem.split(/(?=-----BEGIN CERTIFICATE)/)
  return { key: key!, chain: chain! }
}

/** The first bytes that a client with this server name says; the name goes as it is, Node would refuse it. */
async function clientHello(name: string): Promise<Buffer> {
  const stand = 'x'.repeat(Buffer.byteLength(name, 'latin1') || 1)
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = tls.connect({
    host: '127.0.0.1',
    port: (server.address() as net.AddressInfo).port,
    servername: stand,
  })
  client.on('error', () => {})
  const [peer] = (await once(server, 'connection')) as [net.Socket]
  const [bytes] = (await once(peer, 'data')) as [Buffer]
  client.destroy()
  peer.destroy()
  server.close()
  const at = bytes.indexOf(stand)
  bytes.write(name, at, 'latin1')
  return bytes
}

function curl(port: number, version: string, path: string): Promise<string> {
  const resolve = `shop.test:${port}:127.0.0.1`
  return output('curl', ['-s', '-k', '-i', version, '--resolve', resolve, `https://shop.test:${port}${path}`])
}

async function output(file: string, words: readonly string[]): Promise<string> {
  const child = spawn(file, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  await once(child, 'close')
  return text
}
