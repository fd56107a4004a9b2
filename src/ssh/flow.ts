import type { Socket } from 'node:net'

import type { Connection } from 'ssh2'

import { exchangesKeys, queuedPackets } from './inside.ts'

/** Keeps what waits for one client small: writers wait for room, and a client that does not read is not read from, then ended. */
export interface Flow {
  /** Resolves when there is room for more output, or the connection is gone. */
  room(): Promise<void>
  /** To be called now and then: false when the client has taken nothing for `idleWriteMs`. */
  moves(now: number): boolean
}

const outputBytes = 512 * 1024
const replyBytes = 4 * 1024 * 1024
const replyPackets = 4096

export function openFlow(client: Connection, socket: Socket, { idleWriteMs }: { idleWriteMs: number }): Flow {
  const waiting = new Set<() => void>()
  const isFull = () => !socket.destroyed && (socket.writableLength > outputBytes || exchangesKeys(client))
  const wake = () => {
    for (const go of waiting) go()
    waiting.clear()
  }
  socket.on('drain', () => {
    socket.resume()
    wake()
  })
  client.on('rekey', wake)
  socket.on('close', wake)
  socket.on('data', () => holdReplies(client, socket))
  let taken = 0
  let movedAt = Date.now()
  return {
    async room() {
      while (isFull()) await new Promise<void>(go => waiting.add(go))
    },
    moves(now) {
      const takenNow = socket.bytesWritten - socket.writableLength
      if (takenNow !== taken || socket.writableLength === 0) movedAt = now
      taken = takenNow
      return now - movedAt < idleWriteMs
    },
  }
}

// Answers to requests are not held by any window: a client that only asks would fill the memory.
function holdReplies(client: Connection, socket: Socket): void {
  if (queuedPackets(client) > replyPackets) socket.destroy()
  else if (socket.writableLength > replyBytes) socket.pause()
}
