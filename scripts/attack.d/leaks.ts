import net, { type Socket } from 'node:net'

import { type Random, randomOf } from '../chaos.d/random.ts'

export interface Load {
  readonly port: number
  readonly seed: number
  readonly requests: number
  readonly aborts: number
  readonly signal: AbortSignal
}

const host = 'Host: shop.test\r\n'

/** Requests over kept connections, and clients that leave at every point of a request. Tells how many of either went wrong. */
export async function loadAndLeave({ port, seed, requests, aborts, signal }: Load): Promise<number> {
  const random = randomOf(seed)
  let left = requests
  let leaving = aborts
  let wrong = 0
  const visitor = async () => {
    while (left > 0 && !signal.aborted) {
      // A kept connection is not for ever.
      const many = Math.min(left, 200)
      left -= many
      wrong += await visit(port, many)
    }
  }
  const leaver = async () => {
    while (leaving > 0 && !signal.aborted) {
      leaving--
      await leave(port, random)
    }
  }
  await Promise.all([...Array.from({ length: 12 }, visitor), ...Array.from({ length: 12 }, leaver)])
  return wrong
}

/** So many requests one after another on one connection. How many had no proper answer. */
function visit(port: number, many: number): Promise<number> {
  return new Promise(resolve => {
    const socket = dial(port)
    let good = 0
    let heard = ''
    socket.on('close', () => resolve(many - good))
    socket.on('data', chunk => {
      heard += chunk.toString('latin1')
      if (!heard.endsWith('\r\n\r\nok')) return
      if (/^HTTP\/1\.1 200 /.test(heard)) good++
      heard = ''
      if (good < many) ask()
      else socket.destroy()
    })
    const ask = () => socket.write(`GET / HTTP/1.1\r\n${host}\r\n`)
    ask()
  })
}

/** What a client has said when it leaves, and what it has heard. */
const partings: readonly { readonly said: string; readonly after?: RegExp }[] = [
  { said: '' },
  { said: 'GET / HT' },
  { said: `GET / HTTP/1.1\r\n${host}` },
  { said: `GET /late/500 HTTP/1.1\r\n${host}\r\n` },
  { said: `GET / HTTP/1.1\r\n${host}\r\n` },
  { said: `GET /bytes/3000000 HTTP/1.1\r\n${host}\r\n`, after: /bbbb/ },
  { said: `GET /bytes/100 HTTP/1.1\r\n${host}\r\n`, after: /bbbb/ },
  { said: `GET /late/500 HTTP/1.1\r\n${host}\r\n`.repeat(3) },
  { said: `POST / HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\nsome` },
  { said: `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n` },
  { said: `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz` },
  { said: `PUT / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`, after: / 100 / },
  { said: `GET / HTTP/1.1\r\n${host}Content-Length: x\r\n\r\n` },
  {
    said: `GET /ws HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n`,
    after: / 101 /,
  },
  {
    said: `GET /ws HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n`,
  },
]

function leave(port: number, random: Random): Promise<void> {
  const { said, after } = random.pick(partings)
  const goes = random.pick([
    (socket: Socket) => socket.resetAndDestroy(),
    (socket: Socket) => socket.destroy(),
    (socket: Socket) => socket.end(),
  ])
  const soon = Math.floor(random.between(0, 10))
  return new Promise(resolve => {
    const socket = dial(port)
    let heard = ''
    // One that only ends may be waited for by the other side; it is not waited for here.
    const late = setTimeout(() => socket.destroy(), 2_000)
    socket.on('close', () => {
      clearTimeout(late)
      resolve()
    })
    socket.once('connect', () => {
      socket.write(said)
      if (!after) setTimeout(goes, soon, socket)
    })
    socket.on('data', chunk => {
      if (!after) return
      heard += chunk.toString('latin1').slice(0, 1_000)
      if (!after.test(heard)) return
      socket.pause()
      goes(socket)
      socket.resume()
    })
  })
}

function dial(port: number): Socket {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  return socket
}
