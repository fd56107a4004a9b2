import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'

import { t } from 'tap'

import { type Chance, chanceOf } from './chance.ts'
import { backend, routeOf, routeTo, secureStage } from './stage.ts'

/** No two pieces of it are alike, and no two of them are. */
function bytesOf(number: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((number * 2 ** 24 + at) >>> 0, at)
  return bytes.fill('z', length - (length % 4))
}

const hashOf = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

/** In pieces of all sizes, at times after a rest. */
async function* piecesOf(bytes: Buffer, chance: Chance): AsyncGenerator<Buffer> {
  const sizes = [1, 7, 500, 3000, 20_000, 70_000, 300_000]
  const rests = chance(3) > 0
  const most = Math.max(bytes.length / 200, sizes[chance(sizes.length)]!)
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + chance(most)
    yield bytes.subarray(at, at + size)
    at += size
    if (rests && chance(8) === 0) await pause(chance(4))
  }
}

/** Hears it to its end, at times after a rest; answers its hash. */
async function hear(from: Readable, chance: Chance): Promise<string> {
  const hash = createHash('md5')
  const rests = chance(3) > 0
  await pause(chance(2) * chance(60))
  for await (const chunk of from) {
    hash.update(chunk as Buffer)
    if (rests && chance(6) === 0) await pause(chance(4))
  }
  return hash.digest('hex')
}

const lengths = [0, 1, 900, 16_385, 33_000, 120_000, 500_000, 1_500_000]

interface Wanted {
  readonly number: number
  readonly length: number
  readonly sized: boolean
  readonly text: boolean
  /** Ends its answer when there is still something to hear. */
  readonly early: boolean
}

t.test('what many say and hear at once, each at its own pace, arrives as it was', async t => {
  const chance = chanceOf(4711)
  const arrived = new Map<number, string>()
  const answer = async (req: Readable & { url?: string }, res: Writable) => {
    const { number, length, early } = JSON.parse(decodeURIComponent(req.url!.slice(1))) as Wanted
    const heard = hear(req, chance).catch(error => {
      if (!early) throw error
    })
    if (!early && chance(2) === 0) await heard
    const bytes = bytesOf(number, length)
    // An answer of a length that was said is over with its last byte.
    const most = early ? length : Math.max(0, length - 1)
    const said = pipeline(Readable.from(piecesOf(bytes.subarray(0, most), chance)), res, { end: false })
    await said.catch(error => {
      // Whoever answers early may be ended before it has heard of its own end.
      if (!early) throw error
    })
    if (!early) arrived.set(number, (await heard) as string)
    res.end(bytes.subarray(most))
  }
  const lost: unknown[] = []
  const listen = (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => {
    const { length, sized, text } = JSON.parse(decodeURIComponent(req.url!.slice(1))) as Wanted
    if (sized) res.setHeader('content-length', length)
    res.setHeader('content-type', text ? 'text/plain' : 'application/octet-stream')
    answer(req, res).catch(error => lost.push(req.url, error))
  }
  const app = await backend(t, listen)
  const calls = http2.createServer(listen).listen(0, '127.0.0.1')
  await once(calls, 'listening')
  t.teardown(() => void calls.close())
  const { port, httpsPort, traffic, tripped } = await secureStage(t, [
    routeTo(app),
    {
      ...routeOf(
        'calls',
        ['calls.test'],
        [{ host: '127.0.0.1', port: (calls.address() as AddressInfo).port }],
      ),
      protocol: 'grpc',
    },
  ])
  const kept = { keepAlive: true, maxSockets: 12 }
  const agents = [new http.Agent(kept), new https.Agent({ ...kept, rejectUnauthorized: false })] as const
  t.teardown(() => {
    for (const agent of agents) agent.destroy()
  })
  let asked = 0
  const ask = async (): Promise<unknown[]> => {
    const number = ++asked
    const wanted: Wanted = {
      number,
      length: lengths[chance(lengths.length)]!,
      ...{ sized: chance(2) === 0, text: chance(2) === 0, early: chance(5) === 0 },
    }
    const host = chance(4) === 0 ? 'calls.test' : 'shop.test'
    const body = bytesOf(number + 1000, lengths[chance(lengths.length)]!)
    const framing = chance(2) === 0 ? { 'content-length': body.length } : { 'transfer-encoding': 'chunked' }
    const options = {
      path: `/${encodeURIComponent(JSON.stringify(wanted))}`,
      ...{ host: '127.0.0.1', method: 'POST', headers: { host, ...framing, 'accept-encoding': 'gzip' } },
    }
    const req =
      chance(2) === 0
        ? http.request({ ...options, port, agent: agents[0] })
        : https.request({ ...options, port: httpsPort, agent: agents[1] })
    const said = pipeline(Readable.from(piecesOf(body, chance)), req).catch(error => error)
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    const coded = res.headers['content-encoding'] === 'gzip'
    const heard = await hear(coded ? res.pipe(createGunzip()) : res, chance)
    // Node's own client of TLS may wait for ever with the rest of a body whose answer has come.
    const failed = await Promise.race([said, pause(1000).then(() => 'it is not said to its end')])
    if (failed) req.destroy()
    const faults: unknown[] = []
    if (res.statusCode !== 200) faults.push(res.statusCode)
    if (heard !== hashOf(bytesOf(number, wanted.length))) faults.push('the answer is another')
    if (!wanted.early && failed) faults.push(failed)
    if (!wanted.early && arrived.get(number) !== hashOf(body)) faults.push('another body has arrived')
    return faults.length > 0 ? [wanted, host, framing, faults] : []
  }
  const lane = async () => {
    const faults: unknown[] = []
    for (let count = 0; count < 5; count++) faults.push(...(await ask()))
    return faults
  }
  const faults = await Promise.all(Array.from({ length: 20 }, lane))
  t.strictSame(faults.flat(), [], 'every answer, and every body')
  t.strictSame(lost, [], 'nothing that went wrong in the apps')
  await tripped(asked)
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})
