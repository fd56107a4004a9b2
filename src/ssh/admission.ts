import type { Socket } from 'node:net'

import type { Limits } from './front.ts'

/** How many connections there may be, and how many of them that nobody has signed in to, per address. */
export interface Admission {
  /** False when there is no place; else the place is held until `signedIn`, or until the socket closes. */
  admit(socket: Socket): boolean
  signedIn(socket: Socket): void
}

export function openAdmission({
  connections,
  pendingPerAddress,
}: Pick<Limits, 'connections' | 'pendingPerAddress'>): Admission {
  const open = new Set<Socket>()
  const pending = new Map<string, Set<Socket>>()
  const settle = (socket: Socket, network: string) => {
    const there = pending.get(network)
    if (there?.delete(socket) && there.size === 0) pending.delete(network)
  }
  const networks = new WeakMap<Socket, string>()
  return {
    admit(socket) {
      const network = networkOf(socket.remoteAddress ?? '')
      const there = pending.get(network) ?? new Set()
      if (open.size >= connections || there.size >= pendingPerAddress) return false
      open.add(socket)
      pending.set(network, there.add(socket))
      networks.set(socket, network)
      socket.once('close', () => {
        open.delete(socket)
        settle(socket, network)
      })
      return true
    },
    signedIn: socket => settle(socket, networks.get(socket) ?? ''),
  }
}

/** One address of IPv4, or the /64 that one customer has in IPv6. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped || !address.includes(':')) return mapped ?? address
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const left = head ? head.split(':') : []
  const right = tail ? tail.split(':') : []
  const zeros = tail === undefined ? [] : Array(Math.max(0, 8 - left.length - right.length)).fill('0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}
