import type { Upstream } from '../types.ts'
import { type Carry, openCarry } from './carry.ts'
import { nameOf } from './traffic.ts'

/** The kept connections of this worker, by upstream. */
export interface Upstreams {
  to(upstream: Upstream): Carry
  /** Ends the kept connections to an upstream that is no longer asked. */
  release(name: string): void
  close(): void
}

export function openUpstreams(): Upstreams {
  const open = new Map<string, Carry>()
  return {
    to(upstream) {
      const name = nameOf(upstream)
      const known = open.get(name)
      if (known) return known
      const carry = openCarry(upstream)
      open.set(name, carry)
      return carry
    },
    release(name) {
      open.get(name)?.close()
      open.delete(name)
    },
    close() {
      for (const carry of open.values()) carry.close()
      open.clear()
    },
  }
}
