import { once } from 'node:events'
import type http from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { randomOf } from '../../scripts/chaos.d/random.ts'
import { openIntake } from '../../src/proxy/h2/intake.ts'
import { Upload } from '../../src/proxy/h2/upload.ts'
import { ask2, session } from './client2.ts'
import { block, codeOf, flag, frame, get, headers, post, type, wire } from './frames2.ts'
import { backend, bareBackend, routeTo, secureStage } from './stage.ts'

const number = (value: number) => Buffer.of(value >>> 24, value >>> 16, value >>> 8, value)
const ping = frame(type.ping, 0, 0, 'are you?')
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** RFC 9113 7. */
const code = { protocol: 1, flowControl: 3, streamClosed: 5, frameSize: 6, compression: 9, calm: 11 }

const asked = headers(1, get, flag.endStream)
const sending = headers(1, post)

const ofConnections: Record<string, [number, ...Buffer[]]> = {
  'data of no stream': [code.protocol, frame(type.data, 0, 0, 'x')],
  'data of a stream that never was': [code.protocol, frame(type.data, 0, 5, 'x')],
  'fields of no stream': [code.protocol, headers(0, get)],
  'a stream of the other side': [code.protocol, headers(2, get)],
  'a stream that begins behind another': [code.protocol, headers(5, get), headers(3, get)],
  'fields that cannot be read': [code.compression, frame(type.headers, flag.endHeaders, 1, Buffer.of(0xbe))],
  'another frame in the middle of a head': [code.protocol, frame(type.headers, 0, 1, block(...get)), ping],
  'a head of another stream in the middle of one': [
    code.protocol,
    frame(type.headers, 0, 1, block(...get)),
    frame(type.continuation, flag.endHeaders, 3),
  ],
  'a continuation of nothing': [code.protocol, sending, frame(type.continuation, flag.endHeaders, 1)],
  'a head in more frames than it needs': [
    code.calm,
    frame(type.headers, 0, 1, block(...get)),
    ...Array.from({ length: 9 }, () => frame(type.continuation, 0, 1, block(['x', 'y']))),
  ],
  'a frame that is too large': [code.frameSize, sending, frame(type.data, 0, 1, 'x'.repeat(16_385))],
  'more padding than there is room': [
    code.protocol,
    sending,
    frame(type.data, flag.padded, 1, Buffer.of(3, 1, 2)),
  ],
  'a head of padding': [
    code.protocol,
    frame(type.headers, flag.padded | flag.endHeaders, 1, Buffer.of(9, 0)),
  ],
  'a push': [code.protocol, sending, frame(type.push, flag.endHeaders, 1, Buffer.of(0, 0, 0, 2))],
  'settings of a stream': [code.protocol, frame(type.settings, 0, 1)],
  'settings that are cut off': [code.frameSize, frame(type.settings, 0, 0, 'xxxxx')],
  'a window beyond all bounds': [code.flowControl, frame(type.settings, 0, 0, '\0\x04\x80\0\0\0')],
  'frames smaller than allowed': [code.protocol, frame(type.settings, 0, 0, '\0\x05\0\0\x3f\xff')],
  'a hundred settings': [code.calm, frame(type.settings, 0, 0, '\0\x09\0\0\0\0'.repeat(100))],
  'a short ping': [code.frameSize, frame(type.ping, 0, 0, 'short')],
  'a ping of a stream': [code.protocol, frame(type.ping, 0, 1, 'are you?')],
  'a reset of a stream that never was': [code.protocol, frame(type.reset, 0, 7, number(8))],
  'a window that does not open': [code.protocol, frame(type.window, 0, 0, number(0))],
  'a window that nobody can count': [code.flowControl, frame(type.window, 0, 0, number(2 ** 31 - 1))],
  'a window of a stream that never was': [code.protocol, frame(type.window, 0, 9, number(1))],
}

const ofStreams: Record<string, [number, ...Buffer[]]> = {
  'data behind its end': [code.streamClosed, asked, frame(type.data, 0, 1, 'x')],
  'fields behind its end': [code.streamClosed, asked, headers(1, get, flag.endStream)],
  'trailers that are not its end': [code.protocol, sending, headers(1, [['x', 'y']])],
  'a window that does not open': [code.protocol, sending, frame(type.window, 0, 1, number(0))],
  'a window that nobody can count': [
    code.flowControl,
    sending,
    frame(type.window, 0, 1, number(2 ** 31 - 1)),
  ],
  'a stream that waits for itself': [
    code.protocol,
    frame(
      type.headers,
      flag.endHeaders | flag.priority | flag.endStream,
      1,
      Buffer.concat([number(1), Buffer.of(0), block(...get)]),
    ),
  ],
}

t.test(
  'what breaks the rules of frames ends its stream, or where nothing less helps its connection',
  async t => {
    const app = await bareBackend(t, () => undefined)
    const { httpsPort } = await secureStage(t, [routeTo(app)])
    for (const [name, [code, ...bytes]] of Object.entries(ofConnections)) {
      const client = await wire(t, httpsPort)
      client.say(...bytes)
      const heard = await client.hears(({ kind }) => kind === type.goaway)
      t.equal(heard === 'closed' ? heard : codeOf(heard), code, name)
      await client.closed
    }
    for (const [name, [code, ...bytes]] of Object.entries(ofStreams)) {
      const client = await wire(t, httpsPort)
      client.say(...bytes, ping)
      const heard = await client.hears(({ kind }) => kind === type.reset)
      t.equal(heard === 'closed' ? heard : codeOf(heard), code, name)
      t.not(await client.hears(({ kind, flags }) => kind === type.ping && flags === flag.ack), 'closed', name)
      client.socket.destroy()
    }
  },
)

t.test('of what waits for apps streams and connections have bounds, and what goes on makes room', async t => {
  const granted: number[] = []
  const intake = openIntake(bytes => granted.push(bytes))
  const window = 1024 * 1024
  for (let count = 0; count < 8; count++) intake.came(window)
  t.same(granted, Array(8).fill(window), 'nothing waits')
  intake.holds(4 * window)
  intake.came(window)
  t.equal(granted.length, 8)
  t.throws(() => intake.came(1), { code: code.flowControl })
  intake.holds(-1)
  t.equal(granted.length, 9)

  const credits: number[] = []
  const upload = new Upload(undefined, 1, { holds: () => {}, credit: (_, bytes) => credits.push(bytes) })
  for (let frame = 0; frame < 16; frame++) {
    t.ok(upload.expect(16_384))
    t.ok(upload.hear(Buffer.alloc(16_384)))
  }
  t.notOk(upload.expect(1))
  t.same(credits, [])
  while (upload.body.read() !== null);
  await turn()
  t.ok(credits.reduce((sum, each) => sum + each) >= 128 * 1024)
  t.ok(upload.expect(16_384))
  t.notOk(upload.expect(256 * 1024))
})

t.test('what a client cannot know yet is no fault of it, and takes no room', async t => {
  const app = await bareBackend(t, (socket, said) => {
    if (said.endsWith('half\r\n')) socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig')
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.socket.setNoDelay()
  // More than a connection takes, if none of it were given back.
  for (let stream = 1; stream < 300; stream += 2) {
    client.say(headers(stream, post), frame(type.data, 0, stream, 'half'))
    await client.hears(heard => heard.kind === type.reset && heard.stream === stream)
    client.say(
      ...[frame(type.data, 0, stream, 'x'.repeat(8_000)), frame(type.window, 0, stream, number(9))],
      headers(stream, [['x-sum', '7']], flag.endStream),
    )
  }
  client.say(ping)
  t.not(await client.hears(({ kind }) => kind === type.ping), 'closed')
  t.notOk(client.frames.some(({ kind }) => kind === type.goaway))
  const resets = client.frames.filter(({ kind }) => kind === type.reset)
  t.same([...new Set(resets.map(codeOf))], [0])
  client.socket.destroy()
})

t.test('bytes that come one by one say the same', async t => {
  const app = await backend(t, (req, res) => {
    req.on('data', () => {})
    req.on('end', () => res.end(`${req.method} ${req.headers['x-own']} ${req.trailers['x-sum']}`))
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  const all = Buffer.concat([
    frame(type.settings, 0, 0, '\0\x03\0\0\0\x64'),
    frame(0xbe, 0xff, 0, 'nobody knows this one'),
    frame(type.priority, 0, 1, '\0\0\0\0\x10'),
    frame(type.headers, flag.padded, 1, Buffer.concat([Buffer.of(2), block(...post), Buffer.of(0, 0)])),
    frame(type.continuation, flag.endHeaders, 1, block(['x-own', 'a'.repeat(300)], ['trailer', 'x-sum'])),
    frame(type.data, flag.padded, 1, Buffer.concat([Buffer.of(3), Buffer.from('half'), Buffer.alloc(3)])),
    frame(type.data, flag.padded, 1, Buffer.of(2, 0, 0)),
    frame(type.data, 0, 1, 'whole'),
    headers(1, [['x-sum', '7']], flag.endStream),
  ])
  for (const byte of all) {
    client.socket.write(Buffer.of(byte))
    await turn()
  }
  const heard = await client.hears(({ kind }) => kind === type.data)
  t.equal(heard === 'closed' ? heard : heard.payload.toString(), `POST ${'a'.repeat(300)} 7`)
  client.socket.destroy()
})

t.test('a body goes as far as its windows are open, and streams take turns', async t => {
  const app = await backend(t, (_req, res) => res.end(Buffer.alloc(100_000, 'b')))
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  const sizeOf = (stream?: number) =>
    client.frames
      .filter(each => each.kind === type.data && (stream === undefined || each.stream === stream))
      .reduce((sum, { payload }) => sum + payload.length, 0)
  const reaches = async (size: number, stream?: number) => {
    while (sizeOf(stream) < size) await once(client.socket, 'data')
    client.say(ping)
    client.frames.splice(0, client.frames.length, ...client.frames.filter(({ kind }) => kind !== type.ping))
    await client.hears(({ kind }) => kind === type.ping)
    return sizeOf(stream)
  }
  client.say(frame(type.settings, 0, 0, '\0\x04\0\0\0\x0a'), asked, headers(3, get, flag.endStream))
  t.equal(await reaches(20), 20, 'ten of each')
  client.say(frame(type.window, 0, 3, number(5)))
  t.equal(await reaches(15, 3), 15)
  // Below what has gone already: then more has to be opened before anything goes.
  client.say(frame(type.settings, 0, 0, '\0\x04\0\0\0\0'), frame(type.window, 0, 1, number(7)))
  t.equal(await reaches(10, 1), 10)
  t.equal(sizeOf(1), 10)
  client.say(frame(type.window, 0, 1, number(10)))
  t.equal(await reaches(17, 1), 17)
  client.say(frame(type.settings, 0, 0, '\0\x04\0\x02\0\0'))
  t.equal(await reaches(65_535), 65_535, 'all that the connection takes')
  const each = [sizeOf(1), sizeOf(3)]
  t.ok(Math.abs(each[0]! - each[1]!) <= 16_384, `${each}`)
  client.say(frame(type.window, 0, 0, number(200_000)))
  t.equal(await reaches(200_000), 200_000)
  t.same([sizeOf(1), sizeOf(3)], [100_000, 100_000])
  client.socket.destroy()
})

t.test('what an app has taken of a body may come again, and padding costs nothing in the end', async t => {
  let taken = 0
  const app = await backend(t, (req, res) => {
    req.on('data', chunk => {
      taken += chunk.length
    })
    req.on('end', () => res.end(String(taken)))
  })
  const { httpsPort } = await secureStage(t, [routeTo(app)])
  const client = await wire(t, httpsPort)
  client.say(sending)
  let [stream, connection] = [256 * 1024, 1024 * 1024]
  const padded = Buffer.concat([Buffer.of(255), Buffer.alloc(1_000, 'x'), Buffer.alloc(255)])
  let seen = 0
  for (let count = 0; count < 3_000; count++) {
    while (stream < padded.length || connection < padded.length) {
      const opened = client.frames.filter(({ kind }) => kind === type.window)
      for (const { stream: id, payload } of opened.slice(seen)) {
        if (id === 1) stream += payload.readUInt32BE(0)
        else if (seen > 0) connection += payload.readUInt32BE(0)
        seen++
      }
      if (stream < padded.length || connection < padded.length) await once(client.socket, 'data')
    }
    client.say(frame(type.data, flag.padded, 1, padded))
    stream -= padded.length
    connection -= padded.length
  }
  client.say(frame(type.data, flag.endStream, 1))
  const heard = await client.hears(({ kind }) => kind === type.data)
  t.equal(heard === 'closed' ? heard : heard.payload.toString(), '3000000')
  client.socket.destroy()
})

t.test('a client that asks and never reads is not read either, and ends with its time', async t => {
  let answered = 0
  const app = await backend(t, (_req, res) => {
    answered++
    res.writeHead(200, { 'x-long': 'l'.repeat(8_000) }).end()
  })
  const { httpsPort, http2 } = await secureStage(t, [routeTo(app)], {
    limits: { keepAliveMs: 100, streamIdleMs: 300, answerMs: 300 },
  })
  const client = await wire(t, httpsPort)
  client.socket.pause()
  let last = -1
  // The kernel's memory on both sides fills up first.
  for (let stream = 1; answered !== last || stream < 2_000; stream += 200) {
    last = answered
    client.say(...Array.from({ length: 100 }, (_, n) => headers(stream + n * 2, get, flag.endStream)))
    for (let n = 0; n < 300; n++) await turn()
    if (client.socket.closed || client.socket.writableLength > 1e6 || answered > 5_000) break
  }
  t.ok(answered <= 5_000, `${answered} answers of 8 KB`)
  // It hears nothing, so its end is not told by it.
  await http2.end()
})

t.test(
  'a head that does not come to its end, and a client that says nothing, are not waited for',
  async t => {
    const app = await backend(t, (_req, res) => res.end('ok'))
    const { httpsPort } = await secureStage(t, [routeTo(app)], { limits: { keepAliveMs: 100 } })
    const slow = await wire(t, httpsPort)
    const drip = setInterval(() => slow.socket.write('\0'), 20)
    slow.say(Buffer.of(0, 0x10, 0, type.headers, 0, 0, 0, 0, 1))
    const silent = await wire(t, httpsPort)
    for (const client of [slow, silent]) {
      t.match(await client.hears(({ kind }) => kind === type.goaway), { kind: type.goaway })
      await client.closed
    }
    clearInterval(drip)
  },
)

t.test('streams that end at any moment, from either side, leave nothing behind', async t => {
  const random = randomOf(11)
  const app = await backend(t, (req, res) => {
    req.on('error', () => {})
    res.on('error', () => {})
    const after = Number(req.headers['x-after'])
    if (after < 3) res.write('begun')
    if (after === 1) return setImmediate(() => res.destroy())
    req.resume().on('end', () => res.end(Buffer.alloc(after * 9_000)))
  })
  const { httpsPort, traffic, trips, http2 } = await secureStage(t, [routeTo(app)])
  const client = await session(t, httpsPort)
  const streams = 400
  let open = 0
  for (let count = 0; count < streams; count++) {
    const method = random.pick(['GET', 'POST', 'HEAD'])
    const headers = { 'x-after': String(Math.floor(random.between(0, 12))) }
    const stream = client.request({ ':method': method, ':path': '/', ':authority': 'shop.test', ...headers })
    open++
    stream.on('error', () => {}).on('close', () => open--)
    if (method === 'POST') stream.write(Buffer.alloc(Math.floor(random.between(0, 60_000))))
    if (random.next() < 0.6) stream.end()
    if (random.next() < 0.8) stream.resume()
    const turns = Math.floor(random.between(0, 12))
    for (let n = 0; n < turns; n++) await turn()
    if (random.next() < 0.5) stream.close(random.pick([0, 2, 8]))
    else if (random.next() < 0.9) stream.end().resume()
    else stream.destroy()
    while (open > 60) await turn()
  }
  client.destroy()
  await traffic.quiet(5_000)
  t.equal(traffic.stats().inFlight, 0)
  while (trips.length < streams && trips.length !== (await later(trips))) await turn()
  t.ok(trips.length > streams / 2, `${trips.length} were told of`)
  t.match(await ask2(await session(t, httpsPort), '/', { headers: { 'x-after': '0' } }), { status: 200 })
  await http2.end()
})

async function later(trips: readonly unknown[]): Promise<number> {
  for (let n = 0; n < 100; n++) await turn()
  return trips.length
}

t.test('no bytes at all end more than their own connection', async t => {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (req, res) => {
    req.on('error', () => {}).resume()
    if (req.url === '/hold') held.push(res)
    else res.end('ok')
  })
  const { httpsPort, traffic } = await secureStage(t, [routeTo(app)])
  const neighbour = await session(t, httpsPort)
  const random = randomOf(5)
  const good = [
    ...[asked, headers(3, post), frame(type.data, 0, 3, 'x'.repeat(3_000)), ping],
    ...[frame(type.window, 0, 3, number(9)), frame(type.settings, 0, 0, '\0\x04\0\0\xff\xff')],
    headers(5, [...get.slice(0, 3), [':path', '/hold']], flag.endStream),
    ...[frame(type.reset, 0, 5, number(8)), headers(3, [['x-sum', '7']], flag.endStream)],
    ...[frame(type.priority, 0, 7, '\0\0\0\0\x10'), headers(7, get, flag.endStream)],
  ]
  for (let count = 0; count < 150; count++) {
    const client = await wire(t, httpsPort)
    const bytes = Buffer.concat(good.filter(() => random.next() < 0.9))
    for (let n = random.between(0, 8); n > 0; n--)
      bytes[Math.floor(random.between(0, bytes.length))] = Math.floor(random.between(0, 256))
    const cut = Math.floor(random.between(0, bytes.length))
    client.say(bytes.subarray(0, cut))
    if (random.next() < 0.5) await turn()
    client.say(bytes.subarray(cut))
    for (let n = 0; n < 10; n++) await turn()
    client.socket.destroy()
  }
  t.match(await ask2(neighbour, '/'), { status: 200, body: 'ok' })
  for (const res of held) res.end()
  await traffic.quiet(5_000)
  t.equal(traffic.stats().inFlight, 0)
  // `preface` as a request of its own, in the middle of a connection, is none.
  const client = await wire(t, httpsPort)
  client.say(preface)
  t.match(await client.hears(({ kind }) => kind === type.goaway), { kind: type.goaway })
})

t.test('a client that has left before its connection is taken is not waited for', async t => {
  const app = await backend(t, (_req, res) => res.end('ok'))
  const { httpsPort, http2 } = await secureStage(t, [routeTo(app)])
  const { socket } = await wire(t, httpsPort)
  socket.destroy()
  if (!socket.closed) await once(socket, 'close')
  http2.take(socket)
  await http2.end()
})
