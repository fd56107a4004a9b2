import { once } from 'node:events'
import type { Socket } from 'node:net'

import type { Test } from 'tap'

import { secure } from './client2.ts'

/** HTTP/2 by hand (RFC 9113 4.1): a client that may say what no library would. */

export const type = {
  ...{ data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5 },
  ...{ ping: 6, goaway: 7, window: 8, continuation: 9 },
}
export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 }

export function frame(kind: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const head = Buffer.alloc(9)
  head.writeUIntBE(body.length, 0, 3)
  head[3] = kind
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, body])
}

/** Literal fields that are never indexed, without Huffman coding (RFC 7541 6.2.3). */
export function block(...fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0x10), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  const length = [Math.min(bytes.length, 127)]
  if (length[0] === 127) {
    let rest = bytes.length - 127
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128)
    length.push(rest)
  }
  return Buffer.concat([Buffer.from(length), bytes])
}

export const get = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.test'],
  [':path', '/'],
] as const

export const post = [[':method', 'POST'], ...get.slice(1)] as const

export function headers(stream: number, fields: readonly (readonly [string, string])[], more = 0): Buffer {
  return frame(type.headers, flag.endHeaders | more, stream, block(...fields))
}

export interface Frame {
  readonly kind: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A connection that has said hello and hears frames. */
export async function wire(t: Test, port: number) {
  return speak(await secure(t, port, { ALPNProtocols: ['h2'] }))
}

/** Says hello on a connection that has agreed on HTTP/2. */
export function speak(socket: Socket) {
  const frames: Frame[] = []
  let held = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const length = held.readUIntBE(0, 3)
      const stream = held.readUInt32BE(5)
      frames.push({ kind: held[3]!, flags: held[4]!, stream, payload: held.subarray(9, 9 + length) })
      held = held.subarray(9 + length)
    }
  })
  const closed = new Promise<'closed'>(resolve => socket.once('close', () => resolve('closed')))
  const say = (...all: readonly Buffer[]) => void socket.write(Buffer.concat(all))
  say(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(type.settings, 0, 0))
  return {
    socket,
    frames,
    say,
    closed,
    /** Resolves with the first such frame, or `closed`. */
    async hears(fits: (frame: Frame) => boolean): Promise<Frame | 'closed'> {
      for (;;) {
        const found = frames.find(fits)
        if (found) return found
        if (socket.closed) return 'closed'
        await Promise.race([once(socket, 'data'), closed])
      }
    },
  }
}

/** The error code of a RST_STREAM (its first four bytes) or a GOAWAY (its second four). */
export function codeOf({ kind, payload }: Frame): number {
  return payload.readUInt32BE(kind === type.goaway ? 4 : 0)
}
