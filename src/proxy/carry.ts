import type { Upstream } from '../types.ts'
import type { Asked } from './asked.ts'
import { Connection } from './connection.ts'
import { dial } from './dial.ts'
import { Answer } from './exchange.ts'
import { blame } from './fault.ts'
import type { Limits } from './limits.ts'
import { openReader } from './reader.ts'
import type { Kept } from './send2.ts'
import type { Dress } from './site.ts'
import type { Sweeper } from './sweeper.ts'
import type { Trip } from './trip.ts'
import type { Visitor } from './visitor.ts'

/**
 * answered: the client has its answer, is gone, or its answer was cut · again: nothing is spent, another may be asked ·
 * unreachable, slow: nothing has been answered, and nothing more will be tried · large: nor has it, for the client sends too much.
 */
export type Outcome = 'answered' | 'again' | 'unreachable' | 'slow' | 'large'

export interface Carrying {
  readonly visitor: Visitor
  readonly asked: Asked
  readonly limits: Limits
  readonly trip: Trip
  /** Makes the answer smaller, where it is one that becomes smaller. */
  readonly compress: ((visitor: Visitor) => Visitor) | undefined
  /** Changes the answer's fields before they are sent. */
  readonly dress: Dress | undefined
  /** What was read of its body for an upstream that did not take it. */
  readonly kept?: Kept | undefined
  /** The client takes the answer more slowly than it comes. */
  readonly stalled: () => void
  readonly done: (outcome: Outcome) => void
}

/** Kept connections to one upstream, and requests over them. */
export interface Carry {
  /** `fresh`: on a new connection, not on a kept one. */
  send(carrying: Carrying, options: { fresh: boolean }): void
  /** Ends the connections that nobody uses, and keeps no more. */
  close(): void
}

/**
 * A kept connection that nobody uses is closed after this long: under the 2 s of gunicorn's threads, the shortest of the usual servers,
 * so that a request hardly ever meets the other side's close.
 */
const keptMs = 1_500

export function openCarry(upstream: Upstream, sweeper: Sweeper<Connection>): Carry {
  /** Used last, asked first: what is too much goes unused and is closed. */
  const idle: Connection[] = []
  let closed = false

  const put = (connection: Connection) => {
    if (closed || !connection.usable) return connection.close()
    connection.deadline = sweeper.now() + keptMs
    idle.push(connection)
  }
  const gone = (connection: Connection) => {
    sweeper.drop(connection)
    const at = idle.indexOf(connection)
    if (at !== -1) idle.splice(at, 1)
  }
  const start = (connection: Connection, carrying: Carrying) => {
    connection.carry(new Answer(carrying, connection))
  }

  return {
    send(carrying, { fresh }) {
      let kept = fresh ? undefined : idle.pop()
      // One that the other side has just ended, or that was closed just now.
      while (kept && !kept.usable) kept = idle.pop()
      if (kept) return start(kept, carrying)
      const failed = (why: string) => blame(carrying.trip, why)
      const reader = openReader()
      void dial(upstream, carrying.limits.connectMs, failed, reader).then(socket => {
        const { visitor, done } = carrying
        if (socket && !visitor.closed) {
          const connection = new Connection(socket, reader, { put, gone })
          sweeper.watch(connection)
          return start(connection, carrying)
        }
        socket?.destroy()
        done(visitor.closed ? 'answered' : 'again')
      })
    },
    close() {
      closed = true
      for (const connection of idle.splice(0)) connection.close()
    },
  }
}
