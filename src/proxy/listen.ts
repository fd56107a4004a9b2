import net, { type OnReadOpts, type Socket } from 'node:net'

import type { Reader } from './reader.ts'

/** What was read is in memory that is used again at once (`shared`), as soon as nobody needs it (`own`), or not at all. */
export type Lent = 'shared' | 'own' | 'no'

export interface Ears {
  /** Memory for the next read, where the connection has some of its own. */
  reader(): Reader | undefined
  /** Another has the connection. */
  over(): boolean
  /** False: no more is wanted. */
  hear(bytes: Buffer, lent: Lent): boolean
}

/** What all connections of a worker are read into, one after the other. */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * Hears what comes over a connection that somebody else has opened, until the returned function is called. The memory that Node would take
 * for each read is saved where that can be (`onread` of net.Socket, which only its constructor takes).
 */
export function listen(socket: Socket, { reader, over, hear }: Ears): () => void {
  // What came right behind a preamble waits to be read.
  const waits = () => {
    while (!over()) {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return socket.resume()
      hear(chunk, 'no')
    }
  }
  let current: Reader | undefined
  const onread: OnRead = {
    buffer: () => {
      current = reader()
      return current?.buffer() ?? shared
    },
    callback: (length, bytes) => {
      if (current !== undefined) return current.callback(length, bytes)
      return hear(shared.subarray(0, length), 'shared')
    },
  }
  if (readInto(socket, onread)) {
    waits()
    return () => undefined
  }
  const take = (bytes: Buffer) => void hear(bytes, 'no')
  socket.on('data', take)
  return () => void socket.pause().off('data', take)
}

interface OnRead extends OnReadOpts {
  readonly buffer: () => Uint8Array
}

interface Handle {
  useUserBuffer?: (memory: Uint8Array) => void
}

/** As net.Socket does it in its constructor. False should Node come to do it otherwise. */
function readInto(socket: Socket, { buffer, callback }: OnRead): boolean {
  const { _handle: handle } = socket as Socket & { _handle?: Handle | null }
  if (!slots || !handle || typeof handle.useUserBuffer !== 'function') return false
  const memory = buffer()
  Object.assign(socket, { [slots.memory]: memory, [slots.next]: buffer, [slots.heard]: callback })
  handle.useUserBuffer(memory)
  return true
}

/** Where net.Socket keeps what it was given as `onread`. */
const slots = (() => {
  const probe = { buffer: () => shared, callback: () => true }
  const socket = new net.Socket({ onread: probe } as net.SocketConstructorOpts) as unknown as Record<
    symbol,
    unknown
  >
  const found = (name: string, value?: unknown) =>
    Object.getOwnPropertySymbols(socket).find(
      each => each.description === name && (value === undefined || socket[each] === value),
    )
  const memory = found('kBuffer')
  const next = found('kBufferGen', probe.buffer)
  const heard = found('kBufferCb', probe.callback)
  return memory && next && heard ? { memory, next, heard } : undefined
})()
