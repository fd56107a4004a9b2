import net from 'node:net'
import tls, { type TLSSocket } from 'node:tls'

import type { Certificate } from '../types.ts'
import type { Certificates } from './certificates.ts'
import type { Guard } from './guard.ts'
import type { Limits } from './limits.ts'
import type { Origins } from './origins.ts'
import { policy } from './policy.ts'
import type { Server1 } from './server.ts'
import type { Server2 } from './server2.ts'

export interface SecureParts {
  readonly certificates: Certificates
  /** Shown to who asks for a name without a certificate, or for none. Without it they are refused. */
  readonly fallback: Pick<Certificate, 'chain' | 'key'> | undefined
  /** Seals session tickets: 48 bytes, the same in all workers. */
  readonly ticketKeys: Buffer
  readonly guard: Guard
  readonly origins: Pick<Origins, 'take'>
  readonly limits: Limits
  readonly http1: Server1
  readonly http2: Server2
  readonly report: (error: unknown) => void
}

export interface SecureServer {
  /** Listens, and speaks TLS on whatever comes. */
  readonly server: net.Server
  setTicketKeys(keys: Buffer): void
}

/** Speaks TLS on whatever connections it is given, and hands each on to the version of HTTP that was agreed on. */
export function makeSecureServer(parts: SecureParts): SecureServer {
  const { certificates, fallback, ticketKeys, guard, origins, limits, http1, http2, report } = parts
  const secure = tls.createServer({
    ...policy,
    ...(fallback ? { cert: fallback.chain, key: fallback.key } : {}),
    ticketKeys,
    handshakeTimeout: limits.handshakeMs,
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (name, done) => {
      try {
        done(null, certificates.contextFor(name.toLowerCase().replace(/\.$/, '')))
      } catch (error) {
        report(error)
        done(null)
      }
    },
  })
  // Clients that give up, garbage, old versions: each is that connection's own end.
  secure.on('tlsClientError', (_error, socket) => socket.destroy())
  secure.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') http2.take(socket)
    else http1.take(socket)
  })
  const server = net.createServer({ noDelay: true }, socket => {
    if (guard.admits(socket)) origins.take(socket, () => secure.emit('connection', socket))
    else socket.destroy()
  })
  return { server, setTicketKeys: keys => secure.setTicketKeys(keys) }
}
