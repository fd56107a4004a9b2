import type { Route, Upstream } from '../types.ts'
import { type Carry, openCarry } from './carry.ts'
import { openCarry2 } from './carry2.ts'
import type { Connection } from './connection.ts'
import { openSweeper } from './sweeper.ts'
import { nameOf } from './traffic.ts'

/** The kept connections of this worker, by upstream. */
export interface Upstreams {
  /** `grpc`: in HTTP/2. */
  to(upstream: Upstream, protocol?: Route['protocol']): Carry
  /** Ends the kept connections to an upstream that is no longer asked. */
  release(name: string): void
  close(): void
}

/** How often deadlines are looked at. */
const sweepMs = 250

export function openUpstreams(): Upstreams {
  const open = { http: new Map<string, Carry>(), grpc: new Map<string, Carry>() }
  const all = [open.http, open.grpc]
  const sweeper = openSweeper<Connection>(sweepMs)
  return {
    to(upstream, protocol = 'http') {
      const name = nameOf(upstream)
      const known = open[protocol].get(name)
      if (known) return known
      const carry = protocol === 'grpc' ? openCarry2(upstream) : openCarry(upstream, sweeper)
      open[protocol].set(name, carry)
      return carry
    },
    release(name) {
      for (const each of all) {
        each.get(name)?.close()
        each.delete(name)
      }
    },
    close() {
      for (const each of all) {
        for (const carry of each.values()) carry.close()
        each.clear()
      }
    },
  }
}
