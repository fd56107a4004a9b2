import type { Socket } from 'node:net'

/** taken: the kernel has it all · pending: it has some of it, and gets the rest before anything that is written later · not: nothing is written. */
export type Written = 'taken' | 'pending' | 'not'

/** Writes text (latin1) straight to the kernel. `late`, where it is pending: once the kernel has it; a socket that fails then is destroyed. */
export type Quick = (text: string, late?: () => void) => Written

/**
 * A short text on an idle socket goes to the kernel at once, and nobody needs to hear of it later. Through the socket's stream it costs
 * some 3 µs more: state, an object for the request, two turns of the queue of ticks. Only for sockets without TLS.
 */
export function openQuick(socket: Socket): Quick {
  if (binding === undefined) return () => 'not'
  const { WriteWrap, streamBaseState: state, kLastWriteWasAsync: wasAsync } = binding
  const raw = socket as Socket & { _handle?: Handle | null }
  /** Is used up only where something is left pending. */
  let request = new WriteWrap()
  return (text, late) => {
    const { _handle: handle } = raw
    if (!handle || raw.writableLength > 0 || raw.connecting || raw.destroyed || raw.writableEnded)
      return 'not'
    // What went wrong the stream will hear too, and say.
    if (handle.writeLatin1String(request, text) !== 0) return 'not'
    if (!state[wasAsync]) return 'taken'
    request.handle = handle
    request.oncomplete = status => {
      if (status < 0) raw.destroy()
      else late?.()
    }
    request = new WriteWrap()
    return 'pending'
  }
}

interface Handle {
  /** Answers an error number of the system, or 0. */
  writeLatin1String(request: Request, text: string): number
}

interface Request {
  handle?: Handle
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
