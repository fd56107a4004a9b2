import type { Socket } from 'node:net'

import { longestMessage } from './wire.ts'

/** A message as bytes: 32-bit big-endian length, then JSON. */
export function frame(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message))
  if (body.length > longestMessage) throw new Error(`a message of ${body.length} bytes is too long`)
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

/** Hands over each message; one that is too long, no JSON, or that `take` throws at, ends the connection with that error. */
export function readFrames(socket: Socket, take: (message: unknown) => void): void {
  let chunks: Buffer[] = []
  let held = 0
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    try {
      while (held >= 4) {
        if (chunks[0]!.length < 4) chunks = [Buffer.concat(chunks)]
        const length = chunks[0]!.readUInt32BE(0)
        if (length > longestMessage) throw new Error(`a message of ${length} bytes is too long`)
        if (held < 4 + length) return
        const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
        const rest = all.subarray(4 + length)
        chunks = rest.length ? [rest] : []
        held = rest.length
        take(JSON.parse(all.toString('utf8', 4, 4 + length)))
      }
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
}
