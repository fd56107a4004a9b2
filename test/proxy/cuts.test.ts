import { createHash } from 'node:crypto'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { BadMessage } from '../../src/proxy/field-lines.ts'
import { Request } from '../../src/proxy/request.ts'
import { backend, routeTo, stage } from './stage.ts'

const host = 'Host: shop.test\r\n'
const chunked = `POST /c HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n`
const last = `GET /last HTTP/1.1\r\n${host}Connection: close\r\n\r\n`

/** Good and bad, alone and behind one another. */
const talks: Record<string, string> = {
  'two requests': `GET /1 HTTP/1.1\r\n${host}\r\n${last}`,
  'empty lines before': `\r\n\r\n\r\nGET /1 HTTP/1.1\r\n${host}\r\n\r\n${last}`,
  'HTTP/1.0': `GET /1 HTTP/1.0\r\n\r\n`,
  'HTTP/1.0 that stays': `GET /1 HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n${host}\r\n`,
  'absolute form': `GET http://shop.test/1?x HTTP/1.1\r\nHost: other.test\r\n\r\n${last}`,
  'a counted body': `PUT /1 HTTP/1.1\r\n${host}Content-Length: 12\r\n\r\nGET / HTTP/1${last}`,
  'a GET with a body': `GET /1 HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nGET${last}`,
  chunks: `${chunked}\r\n3\r\nabc\r\n00A;x="y"\r\n0123456789\r\n0\r\n\r\n${last}`,
  'chunks with trailers': `${chunked}Trailer: X-Sum\r\n\r\n1 ;a=b\r\nz\r\n0;end\r\nX-Sum: 1\r\nX-B:  2 \r\n\r\n${last}`,
  'spaces around values': `GET /1 HTTP/1.1\r\nhOST:\t shop.test \t\r\nX-E:\r\n\r\n${last}`,
  'one behind the last': `${last}${last}`,
  'nonsense behind one': `GET /1 HTTP/1.1\r\n${host}\r\nnonsense\r\n\r\n`,
  'a space too many behind one': `GET /1 HTTP/1.1\r\n${host}\r\n GET /2 HTTP/1.1\r\n${host}\r\n`,
  'bare line feeds': `GET /1 HTTP/1.1\nHost: shop.test\n\n`,
  'a bare line feed in a value': `GET /1 HTTP/1.1\r\n${host}X: a\nb\r\n\r\n`,
  'a bare carriage return': `GET /1 HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`,
  'a carriage return before the end': `GET /1 HTTP/1.1\r\n${host}X: a\r\r\n\r\n`,
  'a carriage return first': `\rGET /1 HTTP/1.1\r\n${host}\r\n`,
  'a line feed first': `\nGET /1 HTTP/1.1\r\n${host}\r\n`,
  'a folded line': `GET /1 HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`,
  'a space before a colon': `POST /1 HTTP/1.1\r\n${host}Content-Length : 3\r\n\r\nabc`,
  'two lengths': `POST /1 HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc${last}`,
  'a length and chunks': `${chunked}Content-Length: 3\r\n\r\n0\r\n\r\n${last}`,
  'another coding': `POST /1 HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${last}`,
  'chunked in HTTP/1.0': `POST /1 HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${last}`,
  'a chunk of no size': `${chunked}\r\n\r\nabc\r\n0\r\n\r\n`,
  'a chunk too short': `${chunked}\r\n4\r\nabc\r\n0\r\n\r\n`,
  'a chunk too long': `${chunked}\r\n2\r\nabc\r\n0\r\n\r\n`,
  'an endless size': `${chunked}\r\nfffffffffffff\r\nabc\r\n0\r\n\r\n`,
  'a size with a sign': `${chunked}\r\n+3\r\nabc\r\n0\r\n\r\n`,
  'a size with a line feed': `${chunked}\r\n3\nabc\r\n0\r\n\r\n`,
  'a bare line feed behind a size': `${chunked}\r\n3\r\nabc\n0\r\n\r\n`,
  'a bad trailer': `${chunked}\r\n0\r\nX Y: 1\r\n\r\n${last}`,
  'a trailer with a line feed': `${chunked}\r\n0\r\nX: 1\n\r\n\r\n${last}`,
  'an unknown method': `GETS /1 HTTP/1.1\r\n${host}\r\n`,
  'a small method': `get /1 HTTP/1.1\r\n${host}\r\n`,
  'another version': `GET /1 HTTP/1.2\r\n${host}\r\n${last}`,
  'no version': `GET /1\r\n${host}\r\n`,
  'half a preface': `PRI * HTTP/2.0\r\n\r\nSM\r\n\rx`,
  'two spaces': `GET  /1 HTTP/1.1\r\n${host}\r\n`,
  'an expectation': `POST /1 HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok${last}`,
  'an upgrade to nothing known': `GET /1 HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n${last}`,
}

/** What a strict reader makes of bytes in these pieces. */
function read(pieces: readonly Buffer[]): unknown {
  const seen: unknown[] = []
  let body: Buffer[] = []
  const request: Request = new Request({
    onHead: head => void seen.push(head),
    onBody: chunk => void body.push(Buffer.from(chunk)),
    onEnd: trailers => {
      seen.push(Buffer.concat(body).toString('latin1'), trailers)
      body = []
    },
  })
  try {
    for (const piece of pieces) {
      // As it comes off the wire: the memory is another's as soon as it has been read.
      const lent = Buffer.from(piece)
      for (let rest: Buffer | undefined = lent; rest; ) {
        rest = request.take(rest)
        if (request.done) request.next()
      }
      lent.fill('!')
    }
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error
    seen.push(error.tooLong ? 'too long' : 'bad')
  }
  return seen
}

t.test('a request means the same wherever it is cut into pieces', async t => {
  for (const [name, talk] of Object.entries(talks)) {
    const bytes = Buffer.from(talk, 'latin1')
    const whole = read([bytes])
    for (let at = 1; at < bytes.length; at++) {
      const cut = read([bytes.subarray(0, at), bytes.subarray(at)])
      if (JSON.stringify(cut) !== JSON.stringify(whole)) t.strictSame(cut, whole, `${name}, cut at ${at}`)
    }
    t.strictSame(read([...bytes].map(byte => Buffer.of(byte))), whole, `${name}, byte by byte`)
  }
})

t.test('so it does on its way through the proxy', async t => {
  const app = await backend(t, async (req, res) => {
    const body = await req.toArray().then(Buffer.concat, () => undefined)
    // Broken off, since it was no body.
    if (body === undefined) return
    res.end(`<${req.method} ${req.url} ${createHash('md5').update(body).digest('hex')} ${req.rawTrailers}>`)
  })
  const { port, traffic } = await stage(t, [routeTo(app)], { headMs: 1000, keepAliveMs: 1000 })
  /** What is heard until the proxy closes the connection. */
  const say = async (pieces: readonly Buffer[]) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let heard = ''
    socket
      .on('error', () => undefined)
      .on('data', chunk => {
        heard += chunk.toString('latin1')
      })
    const closed = new Promise(resolve => socket.once('close', resolve))
    for (const piece of pieces) {
      socket.write(piece)
      for (let count = 0; count < 3; count++) await turn()
    }
    await closed
    return heard.match(/HTTP\/1\.1 \d\d\d|<.*?>|connection: close/gi)?.join(' ') ?? ''
  }
  await Promise.all(
    Object.entries(talks).map(async ([name, talk]) => {
      const bytes = Buffer.from(talk, 'latin1')
      const whole = await say([bytes])
      const others: unknown[] = []
      for (let at = 1; at < bytes.length; ) {
        const places = Array.from({ length: Math.min(16, bytes.length - at) }, (_, index) => at + index)
        at += places.length
        await Promise.all(
          places.map(async place => {
            const heard = await say([bytes.subarray(0, place), bytes.subarray(place)])
            if (heard !== whole) others.push([place, heard])
          }),
        )
      }
      t.strictSame(others, [], `${name}: ${whole}`)
    }),
  )
  await traffic.quiet(5000)
  t.equal(traffic.stats().inFlight, 0)
})
