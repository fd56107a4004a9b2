import type { Socket } from 'node:net'

import { join } from './joining.ts'
import { isWebSocket, type RequestHead } from './request.ts'
import { type Parts, serve } from './serve.ts'
import type { Server2 } from './server2.ts'
import { openSweeper } from './sweeper.ts'
import { Talk } from './talk.ts'
import type { Visitor1 } from './visitor1.ts'

/** Speaks HTTP/1.0 and 1.1 on whatever connections it is given, and hands each request on. */
export interface Server1 {
  take(socket: Socket): void
  /** Ends all connections at once. */
  cut(): void
}

/** What all connections of a server share. */
export interface House {
  readonly parts: Parts
  readonly scheme: 'http' | 'https'
  /** Takes a connection that begins in HTTP/2. */
  readonly http2: ((socket: Socket) => void) | undefined
  /** Sees to it that a request is answered. */
  readonly lead: (visitor: Visitor1, talk: Talk, head: RequestHead) => void
  /** `performance.now` when deadlines were looked at last. */
  readonly now: () => number
  readonly gone: (talk: Talk) => void
  /** Value of `Keep-Alive` of every connection. */
  readonly keepAlive: string
}

/** Connections that begin in HTTP/2 it leaves to `http2`. */
export function makeServer(
  parts: Parts,
  scheme: 'http' | 'https' = 'http',
  http2?: Pick<Server2, 'take'>,
): Server1 {
  const { limits, guard, report } = parts
  const { keepAliveMs, requestsPerConnection } = limits
  const sweepMs = Math.min(mostMs, Math.min(limits.headMs, keepAliveMs, limits.streamIdleMs) / 5)
  const sweeper = openSweeper<Talk>(sweepMs)

  function lead(visitor: Visitor1, talk: Talk, head: RequestHead) {
    const fail = (error: unknown) => {
      report(error)
      talk.socket.destroy()
    }
    if (head.upgrades && isWebSocket(head)) {
      talk.joins()
      join(visitor, talk, parts).catch(fail)
      return
    }
    // What comes behind it may be in the protocol that it does not get.
    if (head.upgrades) visitor.last = true
    try {
      serve(visitor, parts)
    } catch (error) {
      fail(error)
    }
  }

  const house: House = {
    ...{ parts, scheme, now: sweeper.now, gone: sweeper.drop },
    http2: http2 && (socket => http2.take(socket)),
    lead,
    keepAlive: `timeout=${Math.floor(keepAliveMs / 1000)}, max=${requestsPerConnection}`,
  }
  return {
    take(socket) {
      // Whoever terminates TLS has let the connection in already.
      if (scheme === 'http' && !guard.admits(socket)) return void socket.destroy()
      const talk = new Talk(socket, house)
      sweeper.watch(talk)
      talk.wire.begin()
    },
    cut() {
      for (const { socket } of sweeper.all) socket.destroy()
    },
  }
}

/** How often deadlines are looked at, at least. */
const mostMs = 500
