import type { Socket } from 'node:net'

import type { Connection, ServerChannel, Session } from 'ssh2'

/** What ssh2 1.17 keeps to itself and we must see, in one place: package.json pins the version. */

interface ClientInside {
  readonly _sock: Socket
  readonly _protocol: { readonly _kexinit?: Buffer; readonly _queue?: readonly Buffer[] }
}

interface Side {
  id: number
  window: number
  packetSize: number
  state: 'open' | 'eof' | 'closing' | 'closed'
}

interface SessionInside {
  readonly _chanInfo: { readonly incoming: Side; readonly outgoing: Side }
}

interface ChannelInside {
  readonly incoming: Side
  readonly outgoing: Side
  _chunk: unknown
  _chunkcb: unknown
  _chunkErr: unknown
  _chunkcbErr: unknown
}

export function socketOf(client: Connection): Socket {
  return (client as unknown as ClientInside)._sock
}

/** True while keys are exchanged: packets then wait in a queue of ssh2's own. */
export function exchangesKeys(client: Connection): boolean {
  return (client as unknown as ClientInside)._protocol._kexinit !== undefined
}

/** Packets that wait for the end of a key exchange. */
export function queuedPackets(client: Connection): number {
  return (client as unknown as ClientInside)._protocol._queue?.length ?? 0
}

// A packet size of 0 makes ssh2 write empty packets forever, a tiny one buries the data in headers; 32 KiB is what everyone takes.
const leastPacket = 1024
const mostPacket = 32 * 1024

/** Brings the size of packets to the client within bounds; false when the client asked for an absurd one. */
export function boundPackets(session: Session): boolean {
  const { outgoing } = (session as unknown as SessionInside)._chanInfo
  const sane = outgoing.packetSize >= leastPacket && Number.isInteger(outgoing.window)
  outgoing.packetSize = Math.min(Math.max(outgoing.packetSize || 0, leastPacket), mostPacket)
  return sane
}

/** Calls `overrun` when the client sends more than the window allowed; ssh2 itself would buffer it all. */
export function guardWindow(channel: ServerChannel, overrun: () => void): void {
  const { incoming } = channel as unknown as ChannelInside
  const push = channel.push.bind(channel)
  channel.push = (chunk, encoding) => {
    if (incoming.window >= 0) return push(chunk, encoding)
    overrun()
    return false
  }
}

/** After a blocked write ssh2 keeps its chunk, and sends it again when the other stream blocks: to be called after every write. */
export function forgetWritten(channel: ServerChannel): void {
  const inside = channel as unknown as ChannelInside
  inside._chunk = inside._chunkcb = inside._chunkErr = inside._chunkcbErr = undefined
}

/** Marks a channel of a lost connection closed: ssh2 would still write to it, and throw out of a timer or a stream. */
export function sever(channel: ServerChannel): void {
  ;(channel as unknown as ChannelInside).outgoing.state = 'closed'
}
