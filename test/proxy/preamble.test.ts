import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'

import { type Test, t } from 'tap'

import { openOrigins } from '../../src/proxy/origins.ts'
import { type Preamble, preambleOf, takePreamble } from '../../src/proxy/preamble.ts'
import { ask2, secure, session } from './client2.ts'
import { backend, routeTo, secureStage, stage } from './stage.ts'

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const v2 = (command: number, family: number, addresses: number[], more: number[] = []) => {
  const size = addresses.length + more.length
  return Buffer.from([...signature, 0x20 | command, family, size >> 8, size & 255, ...addresses, ...more])
}
const four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 187]
const six = [
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
  ...[0, 80, 1, 187],
]

const sound: Record<string, [Buffer, Preamble['from']]> = {
  'version 1': [
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
    { address: '192.0.2.1', port: 56324 },
  ],
  'version 1, IPv6': [
    Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 80 443\r\n'),
    { address: '2001:db8::1', port: 80 },
  ],
  'version 1, unknown': [Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  'version 1, unknown with addresses': [Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined],
  'version 2': [v2(1, 0x11, four), { address: '192.0.2.1', port: 56324 }],
  'version 2, IPv6, with extensions': [v2(1, 0x21, six, [4, 0, 1, 0]), { address: '2001:db8::1', port: 80 }],
  'version 2, local': [v2(0, 0, []), undefined],
  'version 2, a Unix socket': [v2(1, 0x31, Array<number>(216).fill(0)), undefined],
}

t.test('both versions are read, at whatever byte the network cuts them', async t => {
  for (const [name, [bytes, from]] of Object.entries(sound)) {
    t.same(preambleOf(Buffer.concat([bytes, Buffer.from('GET /')])), { from, length: bytes.length }, name)
    for (let end = 0; end < bytes.length; end++)
      if (preambleOf(bytes.subarray(0, end)) !== undefined) t.fail(`${name} at ${end}`)
  }
})

t.test('anything else is refused', async t => {
  for (const bad of [
    Buffer.from('GET / HTTP/1.1\r\n'),
    Buffer.from([0x16, 3, 1, 2, 0]),
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n'),
    Buffer.from('PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n'),
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n'),
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 01 443\r\n'),
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n'),
    Buffer.from('PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n'),
    Buffer.from(`PROXY ${'x'.repeat(120)}`),
    Buffer.from([...signature, 0x11, 0x11, 0, 0]),
    Buffer.from([...signature, 0x22, 0x11, 0, 0]),
    Buffer.from([...signature, 0x21, 0x11, 0xff, 0xff]),
    v2(1, 0x11, [1, 2, 3]),
  ])
    t.throws(() => preambleOf(bad), bad.toString('latin1').slice(0, 60))
})

t.test('what follows stays to be read, and who sends none is let go', async t => {
  const seen = Promise.withResolvers<[Preamble, net.Socket]>()
  const server = net.createServer(socket =>
    takePreamble(socket, { timeoutMs: 100 }, preamble => seen.resolve([preamble, socket])),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const client = net.connect(port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.write(sound['version 2']![0].subarray(0, 5))
  await once(client, 'connect')
  client.write(Buffer.concat([sound['version 2']![0].subarray(5), Buffer.from('hello')]))
  const [preamble, socket] = await seen.promise
  t.same(preamble.from, { address: '192.0.2.1', port: 56324 })
  socket.resume()
  t.equal(String((await once(socket, 'data'))[0]), 'hello')
  for (const bytes of ['', 'GET / HTTP/1.1\r\n\r\n']) {
    const other = net.connect(port, '127.0.0.1')
    other.on('error', () => {})
    other.write(bytes)
    await once(other, 'close')
  }
})

t.test('an app hears of the client that a trusted proxy names, and of nobody that others name', async t => {
  const app = await backend(t, (req, res) => res.end(`${req.headers['x-forwarded-for']} ${req.url}`))
  for (const trusted of [true, false]) {
    const origins = openOrigins({ proxied: () => trusted, timeoutMs: 1000 })
    const { port } = await stage(t, [routeTo(app)], {}, trusted ? ['127.0.0.1'] : [], undefined, origins)
    const request =
      'GET /a HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'
    const client = net.connect(port, '127.0.0.1')
    client.write(trusted ? Buffer.concat([v2(1, 0x11, four), Buffer.from(request)]) : request)
    const chunks: Buffer[] = []
    for await (const chunk of client) chunks.push(chunk)
    const heard = Buffer.concat(chunks).toString()
    t.match(heard, trusted ? /\r\n192\.0\.2\.1 \/a$/ : /\r\n127\.0\.0\.1 \/a$/, heard)
    const without = net.connect(port, '127.0.0.1')
    without.write(trusted ? request : Buffer.concat([v2(1, 0x11, four), Buffer.from(request)]))
    const [first] = await Promise.race([once(without, 'data'), once(without, 'close')])
    if (trusted) t.equal(typeof first, 'boolean', 'it is closed without a word')
    else t.match(String(first), /^HTTP\/1\.1 400 /)
    without.destroy()
  }
})

t.test('what comes right behind a preamble may be HTTP/2', async t => {
  const origins = openOrigins({ proxied: () => true, timeoutMs: 1000 })
  const { port } = await stage(t, [], {}, ['127.0.0.1'], undefined, origins)
  const client = net.connect(port, '127.0.0.1')
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
  client.write(Buffer.concat([v2(1, 0x11, four), Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings]))
  let heard = Buffer.alloc(0)
  // Its own settings, and that it has taken ours (RFC 9113 6.5).
  while (!heard.includes(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]))) {
    heard = Buffer.concat([heard, (await once(client, 'data'))[0] as Buffer])
  }
  t.equal(heard[3], 4)
  client.destroy()
})

/** A balancer that says nothing by itself but where connections come from: with their first bytes, or before them. */
async function balancer(t: Test, port: number, preamble: Buffer, alone: boolean) {
  const server = net.createServer(client => {
    const onward = net.connect(port, '127.0.0.1')
    for (const socket of [client, onward]) socket.on('error', () => {})
    client.once('data', (first: Buffer) => {
      if (alone) onward.write(preamble, () => setImmediate(() => onward.write(first)))
      else onward.write(Buffer.concat([preamble, first]))
      client.pipe(onward)
    })
    onward.pipe(client)
    onward.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('before TLS it is heard too, whichever HTTP follows and however the network cuts it', async t => {
  const app = await backend(t, (req, res) => res.end(`${req.headers['x-forwarded-for']} ${req.url}`))
  const origins = openOrigins({ proxied: () => true, timeoutMs: 1000 })
  const options = { proxies: ['127.0.0.1'], origins }
  const { httpsPort, trips } = await secureStage(t, [routeTo(app)], options)
  for (const [name, address] of [
    ['version 1', '192.0.2.1'],
    ['version 1, IPv6', '2001:db8::1'],
    // The balancer's own, which is trusted.
    ['version 1, unknown', '6.6.6.6, 127.0.0.1'],
    ['version 2', '192.0.2.1'],
    ['version 2, IPv6, with extensions', '2001:db8::1'],
    ['version 2, local', '6.6.6.6, 127.0.0.1'],
  ] as const) {
    for (const alone of [true, false]) {
      const port = await balancer(t, httpsPort, sound[name]![0], alone)
      const two = await ask2(await session(t, port), '/2', { headers: { 'x-forwarded-for': '6.6.6.6' } })
      t.equal(two.body, `${address} /2`, `${name}, HTTP/2`)
      const one = await secure(t, port, { ALPNProtocols: ['http/1.1'] })
      one.write('GET /1 HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n')
      await once(one, 'close')
      t.equal(one.heard().split('\r\n\r\n')[1], `${address} /1`, `${name}, HTTP/1.1`)
    }
  }
  t.equal(trips.length, 24)
})

t.test(
  'who speaks TLS without a preamble where there has to be one is let go, and the other way round',
  async t => {
    const app = await backend(t, (_req, res) => res.end('ok'))
    for (const proxied of [true, false]) {
      const origins = openOrigins({ proxied: () => proxied, timeoutMs: 1000 })
      const { httpsPort } = await secureStage(t, [routeTo(app)], { proxies: ['127.0.0.1'], origins })
      const through = await balancer(t, httpsPort, sound['version 2']![0], false)
      await t.rejects(secure(t, proxied ? httpsPort : through))
      t.match(await ask2(await session(t, proxied ? through : httpsPort), '/'), { status: 200 })
    }
  },
)
