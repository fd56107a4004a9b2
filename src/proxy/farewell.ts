import type { Socket } from 'node:net'

/** How a WebSocket is ended from here: with a close frame between two frames of the app, not by a broken connection. */
export interface Farewell {
  /** The app's side of the WebSocket that has come about. */
  follow(connection: Socket): void
  /** Says 1001, going away (RFC 6455 7.4.1), and waits a moment for the client's own word. Before that there is one, it just ends. */
  say(): void
}

/** For the client to close from its side, ms. */
const patienceMs = 1_000

/** A close frame without mask, as from a server: status 1001. */
const goingAway = Buffer.from([0x88, 0x02, 0x03, 0xe9])

export function farewellTo(socket: Socket): Farewell {
  let connection: Socket | undefined
  const frames = countFrames()
  let said = false

  const part = () => {
    connection?.unpipe(socket)
    connection?.resume()
    socket.write(goingAway)
  }
  return {
    follow(from) {
      connection = from
      from.on('data', frames.take)
    },
    say() {
      if (!connection) return void socket.destroy()
      if (said) return
      said = true
      setTimeout(() => socket.destroy(), patienceMs).unref()
      if (frames.between()) return part()
      const from = connection
      const look = () => {
        if (!frames.between()) return
        from.off('data', look)
        part()
      }
      from.on('data', look)
    },
  }
}

/** Follows a stream of frames (RFC 6455 5.2) by their lengths alone. */
export function countFrames(): { take(chunk: Buffer): void; between(): boolean } {
  let head = Buffer.alloc(0)
  /** Of the frame's payload and mask. */
  let left = 0
  return {
    take(chunk) {
      let at = 0
      while (at < chunk.length) {
        if (left > 0) {
          const step = Math.min(left, chunk.length - at)
          left -= step
          at += step
          continue
        }
        head = Buffer.concat([head, chunk.subarray(at, at + 1)])
        at++
        const length = lengthOf(head)
        if (length === undefined) continue
        left = length
        head = Buffer.alloc(0)
      }
    },
    between: () => left === 0 && head.length === 0,
  }
}

/** Of what follows the head; undefined while the head is not whole. */
function lengthOf(head: Buffer): number | undefined {
  if (head.length < 2) return undefined
  const mask = head[1]! & 0x80 ? 4 : 0
  const short = head[1]! & 0x7f
  if (short < 126) return short + mask
  if (short === 126) return head.length < 4 ? undefined : head.readUInt16BE(2) + mask
  return head.length < 10 ? undefined : Number(head.readBigUInt64BE(2)) + mask
}
