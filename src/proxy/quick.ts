import type { Socket } from 'node:net'

/** taken: the kernel has it all · pending: it has some of it, and gets the rest before anything that is written later · not: nothing is written. */
export type Written = 'taken' | 'pending' | 'not'

/**
 * What is written to an idle socket goes straight to the kernel, and nobody needs to hear of it later. Through the socket's stream it costs
 * some 3 µs more: state, an object for the request, two turns of the queue of ticks. Only for sockets without TLS.
 */
export interface Quick {
  /**
   * Text (latin1) and, where there are some, bytes behind it. `late`, where it is pending: once the kernel has it; a socket that fails then
   * is destroyed, and until then the memory of the bytes is needed.
   */
  write(text: string, late?: () => void, bytes?: Buffer): Written
  /** Bytes of what is pending that the kernel has not taken. */
  readonly waiting: number
}

export function openQuick(socket: Socket): Quick {
  if (binding === undefined) return notQuick
  const { WriteWrap, streamBaseState: state, kLastWriteWasAsync: wasAsync } = binding
  const raw = socket as Socket & { _handle?: Handle | null }
  /** Is used up only where something is left pending. */
  let request = new WriteWrap()
  /** Writes that the kernel has not taken whole. */
  let pending = 0
  const leave = (handle: Handle, pieces: Pieces | undefined, late: (() => void) | undefined) => {
    pending++
    request.handle = handle
    request.pieces = pieces
    request.oncomplete = status => {
      pending--
      if (status < 0) raw.destroy()
      else late?.()
    }
    request = new WriteWrap()
  }
  return {
    get waiting() {
      return pending > 0 ? (raw._handle?.writeQueueSize ?? 0) : 0
    },
    write(text, late, bytes) {
      const { _handle: handle } = raw
      if (!handle || raw.writableLength > 0 || raw.connecting || raw.destroyed || raw.writableEnded)
        return 'not'
      const pieces = bytes && [text, 'latin1', bytes, 'buffer']
      const failed = pieces ? handle.writev(request, pieces, false) : handle.writeLatin1String(request, text)
      // What went wrong the stream will hear too, and say.
      if (failed !== 0) return 'not'
      if (!state[wasAsync]) return 'taken'
      leave(handle, pieces, late)
      return 'pending'
    },
  }
}

/** All goes through the socket's stream. */
export const notQuick: Quick = { write: () => 'not', waiting: 0 }

interface Handle {
  readonly writeQueueSize: number
  /** Both answer an error number of the system, or 0. */
  writeLatin1String(request: Request, text: string): number
  /** Texts and bytes, each with its encoding behind it. */
  writev(request: Request, pieces: Pieces, allBytes: boolean): number
}

type Pieces = readonly (string | Buffer)[]

interface Request {
  handle?: Handle
  /** The kernel reads them from their memory, which nobody else may hold. */
  pieces?: Pieces | undefined
  oncomplete?: (status: number) => void
}

interface Binding {
  readonly WriteWrap: new () => Request
  readonly streamBaseState: Int32Array
  readonly kLastWriteWasAsync: number
}

/** What Node's own sockets write with. Undefined where Node has come to do it otherwise: then all goes through streams. */
const binding = (() => {
  try {
    const { binding } = process as unknown as { binding(name: string): Partial<Binding> }
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = binding.call(process, 'stream_wrap')
    if (typeof WriteWrap !== 'function' || !streamBaseState || kLastWriteWasAsync === undefined) return
    return { WriteWrap, streamBaseState, kLastWriteWasAsync } as Binding
  } catch {
    return
  }
})()
