import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** An app's side of a WebSocket (RFC 6455): what is said comes back frame by frame, without its mask; a close is answered and the last. */
export function echoFrames(req: IncomingMessage, socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptOf(req.headers['sec-websocket-key'] ?? '')}`,
      ...['', ''],
    ].join('\r\n'),
  )
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const frame = firstFrame(rest)
      if (!frame) return
      rest = rest.subarray(frame.size)
      if (!socket.write(framed(frame.first, frame.payload))) {
        socket.pause()
        socket.once('drain', () => socket.resume())
      }
      if ((frame.first & 0x0f) === 8) return void socket.end()
    }
  })
}

export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A masked frame at the beginning; undefined while it is not whole. */
function firstFrame(bytes: Buffer): { first: number; payload: Buffer; size: number } | undefined {
  if (bytes.length < 6) return undefined
  const short = bytes[1]! & 0x7f
  const head = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < head + 4) return undefined
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  const size = head + 4 + length
  if (bytes.length < size) return undefined
  const mask = bytes.subarray(head, head + 4)
  const payload = Buffer.from(bytes.subarray(head + 4, size))
  for (let at = 0; at < payload.length; at++) payload[at]! ^= mask[at & 3]!
  return { first: bytes[0]!, payload, size }
}

function framed(first: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10)
  head[0] = first
  if (length < 126) head[1] = length
  else if (length < 65536) {
    head[1] = 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([head, payload])
}
