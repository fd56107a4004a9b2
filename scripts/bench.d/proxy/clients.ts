import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import tls from 'node:tls'

import { decodeSmall, encodeSmall } from './frames.ts'
import { type Heard, percentile } from './generators.ts'
import { hosts } from './ground.ts'
import type { Peer } from './peers.ts'

/** Clients for what no packaged load generator does. */

export interface Idle {
  /** How many still are. */
  open(): number
  close(): Promise<void>
}

/** So many connections that have had one answer each and stay open. An address has at most 250 of them, as with real clients. */
export async function openIdle({ http }: Peer, count: number): Promise<Idle> {
  const sockets: Socket[] = []
  const open = async (at: number) => {
    const socket = connect({ host: '127.0.0.1', port: http, localAddress: address(at) })
    sockets.push(socket)
    socket.write(`GET /small HTTP/1.1\r\nHost: ${hosts.app}\r\n\r\n`)
    await hears(socket, 'hello\n')
  }
  try {
    await many(count, 100, open)
  } catch (error) {
    for (const socket of sockets) socket.destroy()
    throw error
  }
  return {
    open: () => sockets.filter(socket => !socket.destroyed).length,
    async close() {
      const closed = sockets.map(socket => socket.closed || once(socket, 'close'))
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

const address = (at: number) => `127.1.${Math.floor(at / 250)}.1`

/** TLS 1.3 handshakes, each on a connection of its own without a session to resume, with one small GET. */
export async function handshakes({ https }: Peer, seconds: number): Promise<Heard> {
  const times: number[] = []
  let errors = 0
  const until = performance.now() + seconds * 1000
  const one = async () => {
    while (performance.now() < until) {
      const began = performance.now()
      try {
        await shakeHands(https!)
        times.push(performance.now() - began)
      } catch {
        errors++
      }
    }
  }
  await Promise.all(Array.from({ length: 16 }, one))
  return heard(times, errors, seconds)
}

async function shakeHands(port: number): Promise<void> {
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port, servername: hosts.secure, minVersion: 'TLSv1.3' },
    ...{ ALPNProtocols: ['http/1.1'], rejectUnauthorized: false },
  })
  socket.write(`GET /small HTTP/1.1\r\nHost: ${hosts.secure}:${port}\r\nConnection: close\r\n\r\n`)
  await hears(socket, 'hello\n')
  socket.destroy()
}

/** So many WebSockets, each sending its next message when the one before has come back as it was. `begin` is called once all are open. */
export async function echoes(
  { http }: Peer,
  { count, seconds, begin }: { count: number; seconds: number; begin: () => void },
): Promise<Heard> {
  const sockets: Socket[] = []
  await many(count, 50, async () => {
    sockets.push(await openWebSocket(http))
  })
  begin()
  const times: number[] = []
  let errors = 0
  let over = false
  const all = sockets.map(socket => {
    const fault = () => {
      if (!over) errors++
      socket.destroy()
    }
    socket.once('close', () => over || fault())
    return pingPong(socket, { next: () => !over, seen: time => times.push(time), fault })
  })
  for (const start of all) start()
  await pause(seconds * 1000)
  over = true
  const outcome = heard(times, errors, seconds)
  for (const socket of sockets) socket.destroy()
  return outcome
}

interface Game {
  readonly next: () => boolean
  readonly seen: (time: number) => void
  readonly fault: () => void
}

const text = 1

function pingPong(socket: Socket, { next, seen, fault }: Game): () => void {
  const message = randomBytes(50).toString('hex')
  const frame = encodeSmall(text, Buffer.from(message), randomBytes(4))
  let rest: Buffer = Buffer.alloc(0)
  let sent = 0
  const send = () => {
    sent = performance.now()
    socket.write(frame)
  }
  socket.on('data', (chunk: Buffer) => {
    const { frames, left } = decodeSmall(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk)
    rest = left
    for (const { opcode, payload } of frames) {
      if (opcode !== text || payload.toString('latin1') !== message) return fault()
      seen(performance.now() - sent)
      if (next()) send()
    }
  })
  return send
}

async function openWebSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const fields = [
    `Host: ${hosts.speaker}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
  ]
  socket.write(`GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`)
  const head = await hears(socket, '\r\n\r\n')
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`A WebSocket was refused: ${head.split('\r\n')[0]}`)
  socket.removeAllListeners('error').on('error', () => socket.destroy())
  return socket
}

/** Everything until what it ends with, 10 s at most. */
function hears(socket: Socket, end: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let said = ''
  const onData = (chunk: Buffer) => {
    said += chunk.toString('latin1')
    if (said.endsWith(end)) resolve(said)
  }
  const onClose = () => reject(new Error('A connection was closed'))
  socket.on('data', onData)
  socket.once('error', reject)
  socket.once('close', onClose)
  socket.setTimeout(10_000, () => socket.destroy())
  return promise.finally(() => {
    socket.off('data', onData)
    socket.off('close', onClose)
    socket.setTimeout(0)
  })
}

/** Does it for 0, 1, 2… below `count`, so many at once. */
async function many(count: number, atOnce: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const one = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

function heard(times: readonly number[], errors: number, seconds: number): Heard {
  return { seconds, requests: times.length, errors, p50: percentile(times, 50), p99: percentile(times, 99) }
}
