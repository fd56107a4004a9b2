import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import type { Limits } from './limits.ts'
import { networkOf } from './trust.ts'
import type { Flow, Visitor } from './visitor.ts'

/** Ends connections on which a stranger keeps the proxy waiting: too many of them from one address, bodies and answers that crawl. */
export interface Guard {
  /** False: this address has as many connections as it may, or the worker as many as it can. */
  admits(socket: Socket): boolean
  /** It has said what it came for. */
  asks(socket: Socket): void
  /** Settles when every connection has, or has had its time for that. */
  heard(): Promise<void>
  /** Watches a request's body and its answer until both are through. */
  watch(visitor: Visitor, limits: Limits): void
  /** Connections that are open. */
  open(): number
  /** Settles when none is, or after so long. */
  empty(timeoutMs: number): Promise<void>
  stop(): void
}

interface Counts {
  read: number
  written: number
  /** Sweeps in a row in which too little came, or too little was taken. */
  slowIn: number
  slowOut: number
  readonly limits: Limits
}

/** For a connection's first request: its handshakes take a client some time, and a busy one more. */
const newMs = 2_000
const sweepMs = 1_000
const lookMs = 50

export function openGuard(limits: Limits, isTrusted: (address: string) => boolean = () => false): Guard {
  const byAddress = new Map<string, number>()
  /** By address and ports, for a client may have one port for two of ours: since when they are there, and have not asked for anything. */
  const newcomers = new Map<string, number>()
  const watched = new Map<Visitor, Counts>()
  let connections = 0

  const timer = setInterval(() => {
    for (const [visitor, counts] of watched) {
      if (!isSlow(visitor, counts)) continue
      watched.delete(visitor)
      visitor.cut()
    }
  }, sweepMs)
  timer.unref()

  return {
    admits(socket) {
      const address = socket.remoteAddress
      // Gone before anybody looked.
      if (address === undefined) return true
      if (connections >= limits.connections) return false
      const group = networkOf(address)
      const count = byAddress.get(group) ?? 0
      if (count >= limits.perAddress && !isTrusted(address)) return false
      connections++
      byAddress.set(group, count + 1)
      const end = endOf(socket)
      newcomers.set(end, performance.now())
      socket.once('close', () => {
        connections--
        newcomers.delete(end)
        const left = byAddress.get(group)! - 1
        if (left > 0) byAddress.set(group, left)
        else byAddress.delete(group)
      })
      return true
    },
    asks: socket => void newcomers.delete(endOf(socket)),
    async heard() {
      const isNew = () => {
        const since = performance.now() - newMs
        return [...newcomers.values()].some(came => came > since)
      }
      while (isNew()) await pause(lookMs)
    },
    watch(visitor, limits) {
      if (watched.has(visitor)) return
      watched.set(visitor, { ...countsOf(visitor.flow), slowIn: 0, slowOut: 0, limits })
      visitor.onClose(() => watched.delete(visitor))
    },
    open: () => connections,
    async empty(timeoutMs) {
      for (const until = performance.now() + timeoutMs; connections > 0 && performance.now() < until; )
        await pause(lookMs)
    },
    stop: () => clearInterval(timer),
  }
}

/** The same for a connection and for what speaks TLS on it. */
function endOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`
}

/** What the kernel has taken is written; the rest waits for the client. */
function countsOf(flow: Flow): { read: number; written: number } {
  return { read: flow.bytesRead, written: flow.bytesWritten - flow.writableLength }
}

/** Below the least rate for the whole of the patience, though the client could have done more. */
function isSlow(visitor: Visitor, counts: Counts): boolean {
  const { leastRate, patienceMs, takeMs } = counts.limits
  const { flow } = visitor
  const { read, written } = countsOf(flow)
  const least = (leastRate * sweepMs) / 1000
  // While bytes of it wait, the app is what is slow.
  const asks = !visitor.received && visitor.body.readableLength === 0 && !visitor.body.isPaused()
  const owes = flow.writableLength > 0
  counts.slowIn = asks && read - counts.read < least ? counts.slowIn + 1 : 0
  counts.slowOut = owes && written - counts.written < least ? counts.slowOut + 1 : 0
  counts.read = read
  counts.written = written
  return counts.slowIn * sweepMs >= patienceMs || counts.slowOut * sweepMs >= takeMs
}
