import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'

import { type Random, randomOf } from '../chaos.d/random.ts'

export interface WebSocketsAttack {
  readonly port: number
  readonly seed: number
  readonly connections: number
  readonly messages: number
  readonly signal: AbortSignal
}

/** So many messages of one connection are on their way at a time. */
const window = 8

/** So many connections are being opened at a time: an app's queue of new ones is short. */
const opening = 50

/** Says messages of all lengths over many connections at once. Tells what came back changed, out of order or not at all. */
export async function attackWebSockets(attack: WebSocketsAttack): Promise<readonly string[]> {
  const all: Promise<string | undefined>[] = []
  const lane = async () => {
    while (all.length < attack.connections) {
      const opened = Promise.withResolvers<void>()
      all.push(converse(all.length, attack, opened.resolve).finally(opened.resolve))
      await opened.promise
    }
  }
  await Promise.all(Array.from({ length: opening }, lane))
  return (await Promise.all(all)).filter(wrong => wrong !== undefined)
}

async function converse(
  at: number,
  { port, seed, messages, signal }: WebSocketsAttack,
  opened: () => void,
): Promise<string | undefined> {
  const random = randomOf(seed * 1_000_003 + at)
  const socket = new WebSocket(`ws://localhost:${port}/ws`)
  socket.binaryType = 'arraybuffer'
  const [said, heard] = [createHash('sha256'), createHash('sha256')]
  let sent = 0
  let back = 0
  const whole = new Promise<void>((resolve, reject) => {
    const more = () => {
      while (sent < messages && sent - back < window) {
        sent++
        socket.send(take(said, message(random)) as string)
      }
    }
    socket.onopen = () => {
      opened()
      more()
    }
    socket.onmessage = ({ data }) => {
      take(heard, typeof data === 'string' ? data : Buffer.from(data))
      if (++back === messages) resolve()
      else more()
    }
    socket.onerror = () => reject(new Error('it broke'))
    socket.onclose = ({ code }) => reject(new Error(`it was closed with ${code}`))
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    await whole
    if (signal.aborted) return undefined
    if (said.digest('hex') !== heard.digest('hex'))
      return `connection ${at} heard something else than it said`
    socket.onclose = null
    socket.close()
    await once(socket, 'close')
    return undefined
  } catch (error) {
    return `connection ${at} after ${back} of ${messages}: ${(error as Error).message}`
  } finally {
    socket.close()
  }
}

/** The kind counts too. */
function take(hash: Hash, data: string | Buffer): string | Buffer {
  hash.update(typeof data === 'string' ? `t${data.length}` : `b${data.length}`).update(data)
  return data
}

/** Lengths around those where the frame's head changes, mostly short. */
function message(random: Random): string | Buffer {
  const length = Math.floor(
    random.pick([
      () => random.between(0, 200),
      () => random.between(0, 200),
      () => random.pick([0, 1, 124, 125, 126, 127, 128]),
      () => random.between(1_000, 5_000),
      () => (random.next() < 0.05 ? random.pick([65_534, 65_535, 65_536, 200_000]) : 20),
    ])(),
  )
  if (random.next() < 0.5) return String.fromCharCode(97 + (length % 26)).repeat(length)
  return Buffer.alloc(length, Math.floor(random.between(0, 256)))
}
