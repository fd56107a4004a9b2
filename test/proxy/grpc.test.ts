import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { setTimeout as pause } from 'node:timers/promises'

import * as grpc from '@grpc/grpc-js'
import { type Test, t } from 'tap'

import { sentenceOf } from '../../src/edge/entries.ts'
import { deadlineOf } from '../../src/proxy/grpc.ts'
import { openLines } from '../../src/proxy/line.ts'
import {
  asked,
  bareBackend2,
  Client,
  grpcBackend,
  grpcRoute,
  heard,
  leavingBackend,
  listeningBackend2,
} from './calls.ts'
import { open, session, told } from './client2.ts'
import { ask, backend, dial, routeTo, secureStage, stage } from './stage.ts'

t.jobs = 1

type Service = Parameters<typeof grpcBackend>[1]

/** An app of gRPC, the proxy before it, and a client that knows both by `shop.test`. */
async function served(t: Test, service: Service, limits: Parameters<typeof stage>[2] = {}) {
  const app = await grpcBackend(t, service)
  const proxy = await stage(t, [grpcRoute(app)], limits)
  return { app, ...proxy, client: clientOf(t, proxy.port) }
}

function clientOf(t: Test, port: number) {
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    'grpc.default_authority': 'shop.test',
    'grpc.max_receive_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  })
  t.teardown(() => client.close())
  return client
}

type Talk = grpc.ClientDuplexStream<Buffer, Buffer>

const sends = (text: string) => Buffer.from(text)

t.test('a call, its answer, and what both say beside passes on, over plain HTTP/2', async t => {
  const { client, tripped } = await served(t, {
    Once(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      const first = new grpc.Metadata()
      first.set('x-said', `${call.metadata.get('x-who')} of ${call.getHost()}`)
      first.set('x-from', call.metadata.get('x-forwarded-for').join())
      call.sendMetadata(first)
      const last = new grpc.Metadata()
      last.set('x-last', 'after')
      last.set('x-raw-bin', Buffer.from([0, 255, 7]))
      done(null, Buffer.concat([call.request, sends('!')]), last)
    },
  })
  const metadata = new grpc.Metadata()
  metadata.set('x-who', 'ann')
  metadata.set('x-forwarded-for', '192.0.2.9')
  const answer = await asked(client, 'Once', sends('hello'), { metadata })
  t.match(answer, { code: grpc.status.OK, messages: [sends('hello!')] })
  t.same(answer.metadata!.get('x-said'), ['ann of shop.test'])
  t.same(
    answer.metadata!.get('x-from'),
    ['127.0.0.1'],
    'a stranger’s word on where it comes from is not taken',
  )
  t.same(answer.trailers!.get('x-last'), ['after'])
  t.same(answer.trailers!.get('x-raw-bin'), [Buffer.from([0, 255, 7])])
  const [trip] = await tripped(1)
  t.match(trip, { fault: undefined, lost: false, app: 'shop' })
})

t.test('an error is told as the app tells it, with nothing before it and with something', async t => {
  const { client } = await served(t, {
    Once: (_call: unknown, done: grpc.sendUnaryData<Buffer>) =>
      done({ code: grpc.status.FAILED_PRECONDITION, details: 'not höre, 100 %' }),
    Scatter(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      call.write(sends('one'))
      call.emit('error', { code: grpc.status.DATA_LOSS, details: 'half' })
    },
  })
  t.match(await asked(client, 'Once', sends('')), {
    code: grpc.status.FAILED_PRECONDITION,
    details: 'not höre, 100 %',
  })
  t.match(await heard(client.Scatter!(sends(''))), { code: grpc.status.DATA_LOSS, messages: [sends('one')] })
})

t.test('messages stream to the app, from it, and both ways in turn', async t => {
  const { client } = await served(t, {
    async Gather(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      let all = 0
      for await (const message of call) all += (message as Buffer).length
      done(null, sends(String(all)))
    },
    Scatter(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      for (let n = 0; n < 500; n++) call.write(sends(`${n}`))
      call.end()
    },
    Chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(sends(`re: ${message}`)))
      call.on('end', () => call.end())
    },
  })
  const gathered = new Promise(resolve => {
    const call = client.Gather!((_error: unknown, answer: Buffer) => resolve(String(answer)))
    for (let n = 0; n < 200; n++) call.write(Buffer.alloc(10_000))
    call.end()
  })
  t.equal(await gathered, '2000000')
  const { messages, code } = await heard(client.Scatter!(sends('')))
  t.equal(code, grpc.status.OK)
  t.same(
    messages.map(String),
    Array.from({ length: 500 }, (_, n) => `${n}`),
  )
  const chat = client.Chat!()
  const over = heard(chat)
  for (const word of ['a', 'b', 'c']) {
    chat.write(sends(word))
    const [message] = await once(chat, 'data')
    t.equal(String(message), `re: ${word}`)
  }
  chat.end()
  t.match(await over, { code: grpc.status.OK })
})

t.test('who cancels a call has it cancelled at the app, and the app its own at the client', async t => {
  const cancelled = Promise.withResolvers<void>()
  const real = await served(t, {
    Chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', () => call.write(sends('here')))
      call.on('cancelled', () => cancelled.resolve())
    },
  })
  const chat: Talk = real.client.Chat!()
  const over = heard(chat)
  chat.write(sends('x'))
  await once(chat, 'data')
  chat.cancel()
  await cancelled.promise
  t.match(await over, { code: grpc.status.CANCELLED })

  const app = await listeningBackend2(t)
  const { httpsPort, tripped } = await secureStage(t, [grpcRoute(app)])
  const stream = open(await session(t, httpsPort), '/davit.Echo/Chat', {
    method: 'POST',
    headers: { 'content-type': 'application/grpc' },
  })
  stream.write('x')
  const kinds = () => app.frames.map(({ kind }) => kind)
  while (!kinds().includes(0)) await pause(10)
  // A close of Node's would say the proper end first.
  stream.destroy(new Error('enough'))
  while (!kinds().includes(3)) await pause(10)
  t.notOk(
    app.frames.some(({ kind, flags }) => kind < 2 && flags & 1),
    'and never as if the client had said all',
  )
  t.match(await tripped(1), [{ fault: undefined }])

  for (const [code, said] of [
    [8, grpc.status.CANCELLED],
    [11, grpc.status.RESOURCE_EXHAUSTED],
    [2, grpc.status.INTERNAL],
  ] as const) {
    for (const begun of [true, false]) {
      const app = await bareBackend2(t, stream => {
        if (!begun) return void stream.close(code)
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.write(Buffer.from([0, 0, 0, 0, 1, 0x61]), () => stream.close(code))
      })
      const { port } = await stage(t, [grpcRoute(app)])
      t.match(await heard(clientOf(t, port).Scatter!(sends(''))), { code: said }, `${code} begun: ${begun}`)
    }
  }
})

t.test('how a call has ended is in its log, as the app says it or as it is told in its place', async t => {
  const odd = `"\\${'x'.repeat(500)}`
  const said: readonly (readonly [status: string, log: number | string])[] = [
    ['0', 0],
    ['5', 5],
    ['007', '007'],
    [odd, `${odd.slice(0, 32)}...`],
  ]
  let calls = 0
  const app = await bareBackend2(t, stream => {
    const [status] = said[calls++ % said.length]!
    const head = { ':status': 200, 'content-type': 'application/grpc' }
    // Once behind an answer, once in place of one.
    if (calls > said.length) return stream.respond({ ...head, 'grpc-status': status }, { endStream: true })
    stream.respond(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
    stream.end(Buffer.from([0, 0, 0, 0, 1, 0x61]))
  })
  const { port, tripped } = await stage(t, [grpcRoute(app)])
  const client = clientOf(t, port)
  for (let n = 0; n < said.length * 2; n++) await heard(client.Scatter!(sends('')))
  const lines = openLines()
  const all = (await tripped(said.length * 2)).map(trip => JSON.parse(lines.access(trip, 'json')))
  const logged = said.map(each => each[1])
  t.same(
    all.map(entry => entry.grpc_status),
    [...logged, ...logged],
  )
})

t.test('a call that is broken off has its status in both logs; what is no call has none', async t => {
  let calls = 0
  const app = await bareBackend2(t, stream => {
    if (calls++ > 0) return stream.respond({ ':status': 204 }, { endStream: true })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(Buffer.from([0, 0, 0, 0, 1, 0x61]), () => stream.session!.destroy())
  })
  const { port, tripped } = await stage(t, [grpcRoute(app)])
  t.match(await heard(clientOf(t, port).Scatter!(sends(''))), { code: grpc.status.UNAVAILABLE })
  await ask(port, '/')
  const lines = openLines()
  const [call, page] = await tripped(2)
  t.match(JSON.parse(lines.access(call, 'json')), { status: 200, grpc_status: 14 })
  const error = lines.error(call, call.fault!)
  t.match(JSON.parse(error), { grpc_status: 14, why: /closed the connection/ })
  t.match(sentenceOf(error), / 200 grpc-status 14 POST shop\.test/)
  t.notMatch(lines.access(page!, 'json'), /grpc_status/)
})

t.test('whoever reads slowly keeps the other side waiting, both ways, and little in between', async t => {
  let written = 0
  let read = 0
  const finish = Promise.withResolvers<void>()
  const { client } = await served(t, {
    async Scatter(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      for (let n = 0; n < 200; n++) {
        written += 100_000
        if (!call.write(Buffer.alloc(100_000))) await once(call, 'drain')
      }
      call.end()
    },
    async Gather(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      await finish.promise
      for await (const message of call) read += (message as Buffer).length
      done(null, sends('all'))
    },
  })
  const scatter = client.Scatter!(sends(''))
  scatter.once('data', () => scatter.pause())
  let got = 0
  scatter.on('data', (message: Buffer) => {
    got += message.length
  })
  const stopped = async (count: () => number) => {
    for (let before = -1; before !== count(); await pause(150)) before = count()
    return count()
  }
  t.ok((await stopped(() => written)) < 6_000_000, `${written} were written for a client that reads nothing`)
  scatter.resume()
  await once(scatter, 'status')
  t.equal(got, 20_000_000)

  let sent = 0
  const answered = Promise.withResolvers<Buffer>()
  const gather = client.Gather!((_error: unknown, answer: Buffer) => answered.resolve(answer))
  const pour = async () => {
    for (let n = 0; n < 200; n++) {
      sent += 100_000
      if (!gather.write(Buffer.alloc(100_000))) await once(gather, 'drain')
    }
    gather.end()
  }
  const poured = pour()
  t.ok((await stopped(() => sent)) < 6_000_000, `${sent} were taken for an app that reads nothing`)
  finish.resolve()
  await poured
  t.equal(String(await answered.promise), 'all')
  t.equal(read, 20_000_000)
})

t.test('a call may be silent for long: neither the first byte nor a least rate is waited for', async t => {
  const { client } = await served(
    t,
    {
      async Chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        await pause(2_500)
        call.write(sends('late'))
        call.end()
      },
    },
    { answerMs: 300, patienceMs: 1_000, takeMs: 1_000 },
  )
  const chat = client.Chat!()
  chat.write(sends('x'))
  t.match(await heard(chat), { code: grpc.status.OK, messages: [sends('late')] })
})

t.test('silence without a deadline ends at last, and a deadline of the client is waited for', async t => {
  const { client } = await served(
    t,
    {
      async Once(_call: unknown, done: grpc.sendUnaryData<Buffer>) {
        await pause(1_200)
        done(null, sends('late'))
      },
    },
    { streamIdleMs: 500 },
  )
  t.match(await asked(client, 'Once', sends('')), { code: grpc.status.UNAVAILABLE })
  t.match(await asked(client, 'Once', sends(''), { deadlineMs: 20_000 }), { code: grpc.status.OK })
  t.match(await asked(client, 'Once', sends(''), { deadlineMs: 300 }), {
    code: grpc.status.DEADLINE_EXCEEDED,
  })
  for (const [said, ms] of [
    ['100m', 100],
    ['2S', 2_000],
    ['3M', 180_000],
    ['99999999H', 24 * 3600 * 1000],
    ['1500u', 2],
    ['123456789m', undefined],
    ['-1S', undefined],
    [undefined, undefined],
  ] as const)
    t.equal(deadlineOf(said), ms, String(said))
})

t.test(
  'calls that an app refuses untouched are asked again, small bodies and all; others are not',
  async t => {
    let length = 0
    let streams = 0
    const app = await bareBackend2(t, stream => {
      streams++
      const refuses = streams === 2
      if (refuses && length < 100_000) return void stream.close(constants.NGHTTP2_REFUSED_STREAM)
      let said = 0
      stream.on('data', chunk => {
        said += chunk.length
        if (refuses && said > 100_000) stream.close(constants.NGHTTP2_REFUSED_STREAM)
      })
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end(`heard ${said}`)
      })
    })
    const proxy = await secureStage(t, [grpcRoute(await leavingBackend(t, app))])
    const client = await session(t, proxy.httpsPort)
    const put = (bytes: number) => {
      length = bytes
      const stream = open(client, '/', { method: 'POST', headers: { 'content-type': 'application/grpc' } })
      stream.end(Buffer.alloc(bytes))
      return told(stream)
    }
    t.match(await put(20_000), { status: 200, body: 'heard 20000' }, 'what an app that goes has not taken up')
    t.equal(streams, 1)
    t.match(await put(20_000), { status: 200, body: 'heard 20000' }, 'what it refuses')
    t.equal(streams, 3)
    streams = 1
    t.match(await put(200_000), { status: 502 }, 'so much is not kept')
    t.match(await proxy.tripped(3), [{ retries: 1 }, { retries: 1 }, { retries: 0, lost: true }])
  },
)

t.test(
  'an app that is gone, or no app of HTTP/2, is told as unavailable; one that goes in the middle too',
  async t => {
    const plain = await backend(t, (_req, res) => res.end('1'))
    const wrong = await stage(t, [grpcRoute(plain)])
    t.match(await asked(clientOf(t, wrong.port), 'Once', sends('')), { code: grpc.status.UNAVAILABLE })
    t.match(await wrong.tripped(1), [{ fault: 'does not speak HTTP/2', lost: true, retries: 1 }])
    const nowhere = await stage(t, [grpcRoute({ host: '127.0.0.1', port: 1 })])
    t.match(await asked(clientOf(t, nowhere.port), 'Once', sends('')), { code: grpc.status.UNAVAILABLE })
    const { client, app, tripped } = await served(t, {
      Scatter: (call: grpc.ServerWritableStream<Buffer, Buffer>) => void call.write(sends('one')),
    })
    const call = client.Scatter!(sends(''))
    const over = heard(call)
    await once(call, 'data')
    app.server.forceShutdown()
    t.match(await over, { code: grpc.status.UNAVAILABLE, messages: [sends('one')] })
    t.match(await tripped(1), [{ lost: true, failed: `127.0.0.1:${app.port}` }])
  },
)

t.test('calls under way end on the old containers, new ones begin on the new', async t => {
  const serving = (name: string) => ({
    Chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(sends(`${name} ${message}`)))
      call.on('end', () => call.end())
    },
  })
  const next = await grpcBackend(t, serving('new'))
  const { client, app, point, traffic, upstreams } = await served(t, serving('old'))
  const says = async (call: Talk, word: string) => {
    call.write(sends(word))
    return String((await once(call, 'data'))[0])
  }
  const [first, left]: [Talk, Talk] = [client.Chat!(), client.Chat!()]
  const [firstOver, leftOver] = [heard(first), heard(left)]
  t.same([await says(first, '1'), await says(left, '1')], ['old 1', 'old 1'])
  point(grpcRoute(next))
  const drained = traffic.drain([`127.0.0.1:${app.port}`], { timeoutMs: 1_000, websocketMs: 1_000 })
  upstreams.release(`127.0.0.1:${app.port}`)
  const second = client.Chat!()
  const secondOver = heard(second)
  t.equal(await says(second, '2'), 'new 2')
  t.equal(await says(first, '2'), 'old 2')
  first.end()
  t.match(await firstOver, { code: grpc.status.OK })
  t.equal(await drained, 1, 'one did not come to its end')
  t.match(await leftOver, { code: grpc.status.UNAVAILABLE, details: /being replaced/ })
  second.end()
  t.match(await secondOver, { code: grpc.status.OK })
})

t.test('a hundred calls at once need one connection, or as many as the app wants', async t => {
  for (const [streams, connections] of [
    [100, 1],
    [20, 5],
  ] as const) {
    const opened = new Set<unknown>()
    const waiting: (() => void)[] = []
    const answer = (stream: ServerHttp2Stream) => {
      opened.add(stream.session)
      waiting.push(() => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end()
      })
      // All at once, or none.
      if (waiting.length === 100) for (const go of waiting.splice(0)) go()
    }
    const app = await bareBackend2(t, answer, streams)
    const { port } = await stage(t, [grpcRoute(app)])
    const client = clientOf(t, port)
    const calls = Array.from({ length: 100 }, () => heard(client.Scatter!(sends('x'))))
    t.same(new Set((await Promise.all(calls)).map(({ code }) => code)), new Set([grpc.status.OK]))
    t.equal(opened.size, connections)
  }
})

t.test(
  'the same app answers browsers: over HTTP/1.1, over TLS, with its fields as they are to be',
  async t => {
    const app = await bareBackend2(t, stream => {
      stream.once('headers', () => undefined)
      stream.respond({
        ':status': 200,
        'content-type': 'text/plain',
        'x-te': 'x',
        'set-cookie': ['a=1', 'b=2'],
      })
      stream.end('page')
    })
    const saw: Record<string, unknown>[] = []
    app.server.on('stream', (_stream, head) => saw.push(head))
    const proxy = await secureStage(t, [grpcRoute(app)])
    const told1 = await ask(proxy.port, '/a//b?c', {
      headers: { te: 'trailers', connection: 'te, x-hop', 'x-hop': '1', 'keep-alive': '5' },
    })
    t.match(told1, { status: 200, body: 'page', headers: { 'set-cookie': ['a=1', 'b=2'] } })
    t.match(await ask(proxy.port, '/', { method: 'POST', body: 'x' }), { status: 200 })
    const client = await session(t, proxy.httpsPort)
    const stream = open(client, '/x', { endStream: true })
    t.match(await told(stream), { status: 200, body: 'page' })
    t.match(saw[0], { ':path': '/a//b?c', ':authority': 'shop.test', ':scheme': 'http', te: 'trailers' })
    t.same(
      ['x-hop', 'keep-alive', 'connection', 'host'].filter(name => name in saw[0]!),
      [],
    )
    t.match(saw[1], { ':method': 'POST', 'content-length': '1', te: undefined })
    t.match(saw[2], { ':path': '/x', 'x-forwarded-proto': 'https' })
  },
)

t.test(
  'plain HTTP/2 reaches every app, however its first words are cut, and nothing else gets through',
  async t => {
    const app = await backend(t, (req, res) => res.end(`${req.httpVersion} ${req.url}`))
    const { port, parts } = await stage(t, [routeTo(app)])
    const preface = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    ])
    for (const cut of [1, 3, 14, 20, 23, 24, 30]) {
      const client = dial(port)
      client.socket.write(preface.subarray(0, cut))
      await pause(20)
      client.socket.write(preface.subarray(cut))
      // Its settings, and that it has taken ours.
      await client.hears(/\x04\x01\x00\x00\x00\x00/)
      client.socket.end()
      await client.closed
    }
    const bad = dial(port)
    bad.socket.write('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')
    t.match(await bad.closed.then(bad.heard), /^HTTP\/1\.1 400 /)
    const late = dial(port)
    late.socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await late.hears(/1\.1 \/$/)
    late.socket.write(preface)
    await late.closed
    t.match(late.heard(), /HTTP\/1\.1 400 /, 'not in the middle of a connection')
    while (parts.guard.open() > 0) await pause(10)
  },
)
