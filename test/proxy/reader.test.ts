import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { openReader } from '../../src/proxy/reader.ts'
import { backend, routeTo, stage } from './stage.ts'

t.test('memory that is still needed is not read into, and grows and shrinks with what comes', async t => {
  const reader = openReader()
  const memory = reader.buffer as () => Buffer
  const kept: Buffer[] = []
  reader.ear = bytes => kept.push(bytes) > 1
  const read = (letter: string, length: number) => {
    memory().fill(letter, 0, length)
    reader.callback(length, Buffer.alloc(0))
  }
  read('a', 3)
  read('b', 3)
  read('c', 3)
  t.equal(String(kept[0]), 'bbb', 'given back at once')
  t.equal(String(kept[1]), 'bbb', 'still needed')
  t.equal(String(kept[2]), 'ccc')
  const before = memory().length
  read('d', before)
  t.ok(memory().length > before)
  while (kept.length < 20) read('e', memory().length)
  t.ok(memory().length <= 256 * 1024)
  for (let count = 0; count < 7; count++) read('f', 100)
  t.ok(memory().length > before, 'a few short reads may be by chance')
  read('f', 100)
  t.ok(memory().length < before * 4, 'whoever trickles holds little')
})

/** What stands where depends on the place and on the answer, so that nothing can stand elsewhere unseen. */
function bodyOf(answer: number, length: number): Buffer {
  const body = Buffer.allocUnsafe(length)
  for (let at = 0; at + 4 <= length; at += 4) body.writeUInt32LE(answer * 2 ** 28 + at, at)
  return body.fill('z', length - (length % 4))
}

const lengths = [5, 16_383, 16_384, 40_000, 100_001, 700_003, 24_000_003]

t.test('answers arrive as they were, though their clients begin to read late', async t => {
  const app = await backend(t, async (req, res) => {
    const answer = Number(req.url!.slice(1))
    const body = bodyOf(answer, lengths[answer % lengths.length]!)
    if (answer % 2) res.setHeader('Content-Length', body.length)
    for (let at = 0; at < body.length; at += 50_000) {
      res.write(body.subarray(at, at + 50_000))
      await turn()
    }
    res.end()
    app.server.emit(`said ${answer}`)
  })
  const { port } = await stage(t, [routeTo(app)])
  const agent = new http.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const take = async (answer: number) => {
    const said = once(app.server, `said ${answer}`)
    const asked = http.get({ port, agent, path: `/${answer}`, headers: { host: 'shop.test' } })
    const [res] = (await once(asked, 'response')) as [IncomingMessage]
    await said
    return Buffer.concat(await res.toArray()).equals(bodyOf(answer, lengths[answer % lengths.length]!))
  }
  const taken = await Promise.all(Array.from({ length: 14 }, (_, answer) => take(answer)))
  t.strictSame(taken, Array(14).fill(true))
})

t.test('what a client leaves lying stays as it was, whatever others are told meanwhile', async t => {
  const [length, many] = [100_000, 200]
  let asked = -1
  const app = await backend(t, (req, res) => {
    const answer = Number(req.url!.slice(1))
    if (answer < many) asked = answer
    res.end(bodyOf(answer % 16, length))
  })
  const { port, ask } = await stage(t, [routeTo(app)])
  const client = net.connect(port, '127.0.0.1').pause()
  for (let answer = 0; answer < many; answer++) {
    const last = answer === many - 1 ? 'Connection: close\r\n' : ''
    client.write(`GET /${answer} HTTP/1.1\r\nHost: shop.test\r\n${last}\r\n`)
  }
  // Until the client's connection is full, and then some more, over the same connection to the app.
  let [before, still] = [-1, 0]
  while (still < 20) {
    const { body } = await ask(`/${many}`)
    t.ok(Buffer.from(body, 'latin1').equals(bodyOf(many % 16, length)))
    still = asked === before ? still + 1 : 0
    before = asked
  }
  t.ok(asked > 0 && asked < many - 1, `${asked} of ${many} were asked for`)
  const heard = Buffer.concat(await client.toArray())
  let at = 0
  for (let answer = 0; answer < many; answer++) {
    const body = heard.indexOf('\r\n\r\n', at) + 4
    at = body + length
    if (!heard.subarray(body, at).equals(bodyOf(answer % 16, length))) t.fail(`answer ${answer} is spoilt`)
  }
  t.equal(at, heard.length)
})
