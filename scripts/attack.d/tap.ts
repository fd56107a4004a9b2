import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'

/** One connection from the proxy to a backend: all bytes of the proxy, one character each. */
export interface Tapped {
  /** What the backend sees as the other side: an address that no other connection of this tap has. */
  readonly from: string
  readonly said: string
}

export interface Tap {
  readonly port: number
  readonly connections: readonly Tapped[]
  close(): void
}

/** Stands between the proxy and a backend, passes everything, and keeps what the proxy says. */
export async function openTap(backendPort: number): Promise<Tap> {
  const connections: { from: string; said: string }[] = []
  const sockets = new Set<Socket>()
  const server = net.createServer({ allowHalfOpen: true }, near => {
    const from = addressOf(connections.length)
    const tapped = { from, said: '' }
    connections.push(tapped)
    const far = net.connect({
      host: '127.0.0.1',
      port: backendPort,
      localAddress: from,
      allowHalfOpen: true,
      noDelay: true,
    })
    near.setNoDelay(true)
    near.on('data', chunk => {
      tapped.said += chunk.toString('latin1')
    })
    join(near, far)
    join(far, near)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A reset on one side is one on the other, as if nobody stood between. */
function join(from: Socket, to: Socket) {
  from.pipe(to)
  from.on('error', () => to.resetAndDestroy())
  from.on('close', () => to.destroySoon())
}

/** All of 127/8 is this machine (RFC 5735); the upper half of it is left to the taps. */
function addressOf(number: number): string {
  return `127.${128 + ((number >> 16) & 127)}.${(number >> 8) & 255}.${number & 255}`
}
