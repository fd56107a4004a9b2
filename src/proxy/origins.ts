import net, { type Socket } from 'node:net'

import { takePreamble } from './preamble.ts'
import type { Server1 } from './server.ts'

/** Where connections came from before a trusted proxy took them up, by the PROXY protocol. */
export interface Origins {
  /** Calls on with the connection: at once, or when it has said where it comes from, where it has to. */
  take(socket: Socket, then: () => void): void
  /** By the proxy's own address and port; undefined where nothing was said. */
  find(end: End): string | undefined
}

/** The far end of a connection, the same for a socket and for what speaks TLS on it. */
export interface End {
  readonly address: string
  readonly port: number
  readonly localPort: number
}

export interface OriginsOptions {
  /** Connections from this address begin with a preamble. */
  readonly proxied: (address: string) => boolean
  readonly timeoutMs: number
}

export function openOrigins({ proxied, timeoutMs }: OriginsOptions): Origins {
  const known = new Map<string, string>()
  return {
    take(socket, then) {
      const end = endOf(socket)
      if (end === undefined || !proxied(end.address)) return then()
      takePreamble(socket, { timeoutMs }, ({ from }) => {
        if (from) {
          const key = keyOf(end)
          known.set(key, from.address)
          socket.once('close', () => known.delete(key))
        }
        then()
      })
    },
    find: end => (known.size === 0 ? undefined : known.get(keyOf(end))),
  }
}

/** What listens for a server of HTTP/1.x: connections reach it once it is known where they come from. */
export function behindOrigins(server: Server1, origins: Pick<Origins, 'take'>): net.Server {
  return net.createServer({ noDelay: true, allowHalfOpen: true }, socket =>
    origins.take(socket, () => server.take(socket)),
  )
}

/** Settles when the server listens on an inherited socket. */
export function listening(server: net.Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
}

export function portOf(server: net.Server): number | undefined {
  const address = server.address()
  return typeof address === 'object' ? address?.port : undefined
}

function endOf({ remoteAddress, remotePort = 0, localPort = 0 }: Socket): End | undefined {
  if (remoteAddress === undefined) return undefined
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), port: remotePort, localPort }
}

function keyOf({ address, port, localPort }: End): string {
  return `${address} ${port} ${localPort}`
}
