import type { Handle } from '../listen.ts'

/** Asks the first process for sockets of ports that it holds. */
export interface SocketCalls {
  /** Undefined while the port cannot be had. */
  call(port: number): Promise<Handle | undefined>
  /** What came for a port: a handle, or nothing. */
  hear(port: number, came: unknown): void
  /** Hears of those that come without having been asked for just now. */
  onOffer(listener: (port: number, handle: Handle) => void): void
}

export function openSocketCalls(ask: (port: number) => void): SocketCalls {
  const waiting = new Map<number, ((handle: Handle | undefined) => void)[]>()
  let offer = (_port: number, handle: Handle) => handle.close()
  return {
    call: port =>
      new Promise(resolve => {
        waiting.set(port, [...(waiting.get(port) ?? []), resolve])
        ask(port)
      }),
    hear(port, came) {
      const handle = came as Handle | undefined
      const [first, ...others] = waiting.get(port) ?? []
      if (others.length > 0) waiting.set(port, others)
      else waiting.delete(port)
      if (first) first(handle)
      else if (handle) offer(port, handle)
    },
    onOffer(listener) {
      offer = listener
    },
  }
}
