import { ConnectionError, codes, frameMost } from './frames.ts'
import type { Outlet } from './outlet.ts'

/** What may be sent over a connection: it and each stream have a window that the client opens (RFC 9113 5.2). */
export interface Windows<Stream extends Sender> {
  /** Of a new stream. */
  readonly initial: number
  /** Bytes that may go in one frame now. */
  room(of: Stream): number
  spend(of: Stream, bytes: number): void
  /** The client takes so much more of all, or of each. Throws when that is more than anybody can count. */
  open(bytes: number): void
  change(initial: number, streams: Iterable<Stream>): void
  /** It has bytes that may not go yet, or others have their turn first. */
  wait(of: Stream): void
  /** Some stream has bytes that may not go yet. */
  readonly waits: boolean
  forget(of: Stream): void
  /** Sends what may be sent, a frame of each stream in turn. */
  pump(): void
}

export interface Sender {
  window: number
  /** Sends so many frames at most. False: something still waits. */
  move(frames: number): boolean
}

export const windowMost = 2 ** 31 - 1

/** As long as the client says nothing else. */
const usual = 65_535

/** `waited`: there is something to pump. */
export function openWindows<Stream extends Sender>(
  outlet: Pick<Outlet, 'open'>,
  waited: () => void,
): Windows<Stream> {
  const waiting = new Set<Stream>()
  let initial = usual
  let window = usual

  return {
    get initial() {
      return initial
    },
    room: of => (outlet.open ? Math.min(window, of.window, frameMost) : 0),
    spend(of, bytes) {
      window -= bytes
      of.window -= bytes
    },
    open(bytes) {
      window += bytes
      if (window > windowMost) throw new ConnectionError(codes.flowControl, 'a window too large')
    },
    change(to, streams) {
      if (to > windowMost) throw new ConnectionError(codes.flowControl, 'a window too large')
      for (const stream of streams) {
        stream.window += to - initial
        if (stream.window > windowMost) throw new ConnectionError(codes.flowControl, 'a window too large')
      }
      initial = to
    },
    wait(of) {
      waiting.add(of)
      waited()
    },
    get waits() {
      return waiting.size > 0
    },
    forget: of => void waiting.delete(of),
    pump() {
      // Whoever has had a turn comes to the end, and is met again there.
      for (const stream of waiting) {
        if (!outlet.open || window <= 0) return
        if (stream.window <= 0) continue
        waiting.delete(stream)
        if (!stream.move(1)) waiting.add(stream)
      }
    },
  }
}
