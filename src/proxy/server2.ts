import type { Socket } from 'node:net'

import { noBody, spent } from './h2/bodies.ts'
import { openDate } from './h2/date.ts'
import { openPages } from './h2/outlet.ts'
import { openSession, type Session } from './h2/session.ts'
import type { Parts } from './serve.ts'
import { peerOf } from './visitor.ts'

/** Speaks HTTP/2 on connections that have agreed on it, and hands each stream on. */
export interface Server2 {
  take(socket: Socket): void
  /** Tells clients to go on elsewhere, finishes the streams there are, and settles when the last connection has closed. */
  end(): Promise<void>
}

/** How often deadlines are looked at: one timer for all streams of all connections. */
const sweepMs = 250

/** On plain connections of clients that know it is spoken, or over TLS. */
export function makeServer2(parts: Parts, scheme: 'http' | 'https' = 'https'): Server2 {
  const sessions = new Set<Session>()
  const shared = { pages: openPages(), none: noBody(), spent: spent(), date: openDate() }
  let timer: NodeJS.Timeout | undefined
  let leaving = false
  const ended: (() => void)[] = []

  const sweep = () => {
    const now = performance.now()
    for (const session of sessions) session.sweep(now)
  }
  const closed = (session: Session) => {
    sessions.delete(session)
    if (sessions.size > 0) return
    clearInterval(timer)
    timer = undefined
    for (const each of ended.splice(0)) each()
  }

  return {
    take(socket) {
      socket.on('error', () => socket.destroy())
      // Its client has left, and its close has been told already, perhaps.
      if (socket.destroyed) return
      const session = openSession(socket, { ...shared, parts, scheme, peer: peerOf(socket), sweepMs })
      sessions.add(session)
      parts.guard.asks(socket)
      socket.once('close', () => closed(session))
      timer ??= setInterval(sweep, sweepMs).unref()
      // It was shaking hands when the others were told.
      if (leaving) session.leave()
    },
    async end() {
      leaving = true
      for (const session of sessions) session.leave()
      if (sessions.size > 0) await new Promise<void>(resolve => ended.push(resolve))
    },
  }
}
