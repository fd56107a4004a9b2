import { messageOf } from '../errors.ts'
import { type Handle, openSocket } from '../listen.ts'
import type { Logger } from '../log.ts'
import type { Route } from '../types.ts'

/**
 * The host's other ports, held by the first process: connections wait there whatever becomes of a worker, or of this proxy when another
 * takes its place.
 */
export interface HeldPorts {
  /** For a worker to listen on. Undefined: no route has it, or another program does; then it is tried again and again. */
  take(port: number): Handle | undefined
  /** What the proxy before this one has held. */
  inherit(port: number, handle: Handle): void
  all(): ReadonlyMap<number, Handle>
  /** Closes what no route has any more, once no worker listens on it. */
  settle(): void
  close(): void
}

export interface HeldPortsOptions {
  readonly host: string
  readonly routes: ReadonlyMap<string, Route>
  /** One that could not be had before is open now. */
  readonly opened: (port: number, handle: Handle) => void
  readonly log: Logger
}

const againMs = 1_000

export function openHeldPorts({ host, routes, opened, log }: HeldPortsOptions): HeldPorts {
  const held = new Map<number, Handle>()
  const failed = new Set<number>()
  let timer: NodeJS.Timeout | undefined

  const open = (port: number): Handle | undefined => {
    try {
      const { handle } = openSocket({ host, port }, { flag: 'port' })
      held.set(port, handle)
      if (failed.delete(port)) log.info(`port ${port} is open now`)
      return handle
    } catch (error) {
      if (!failed.has(port)) log.error(`${messageOf(error)} It is tried again and again.`)
      failed.add(port)
      timer ??= setInterval(again, againMs).unref()
      return undefined
    }
  }
  const again = () => {
    for (const port of [...failed]) {
      const handle = open(port)
      if (handle) opened(port, handle)
    }
    if (failed.size === 0) stop()
  }
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }

  return {
    take: port => held.get(port) ?? (portsOf(routes).has(port) ? open(port) : undefined),
    inherit: (port, handle) => void held.set(port, handle),
    all: () => held,
    settle() {
      if (held.size === 0 && failed.size === 0) return
      const wanted = portsOf(routes)
      for (const port of failed) if (!wanted.has(port)) failed.delete(port)
      for (const [port, handle] of held) {
        if (wanted.has(port)) continue
        handle.close()
        held.delete(port)
      }
    },
    close() {
      stop()
      for (const handle of held.values()) handle.close()
      held.clear()
    },
  }
}

function portsOf(routes: ReadonlyMap<string, Route>): ReadonlySet<number> {
  const all = new Set<number>()
  for (const { ports } of routes.values()) {
    if (ports) for (const port of Object.keys(ports)) all.add(Number(port))
  }
  return all
}
