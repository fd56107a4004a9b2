import type { Upstream } from '../types.ts'
import type { Carry, Carrying } from './carry.ts'
import { Answer2 } from './exchange2.ts'
import { blame } from './fault.ts'
import { type Line, openLine } from './line2.ts'

/** Connections to an upstream that speaks HTTP/2, and requests over them: as few connections as its own limit of streams allows. */
export function openCarry2(upstream: Upstream): Carry {
  const lines = new Set<Line>()
  let opening: Promise<Line | string> | undefined
  let closed = false

  /** All who come meanwhile wait for the same one. */
  const open = (timeoutMs: number) => {
    opening ??= openLine(upstream, timeoutMs).then(line => {
      opening = undefined
      if (typeof line === 'string') return line
      lines.add(line)
      line.session.once('close', () => lines.delete(line))
      return line
    })
    return opening
  }
  const free = (): Line | undefined => {
    for (const line of lines) if (line.free) return line
    return undefined
  }

  async function send(carrying: Carrying): Promise<void> {
    const { visitor, limits, trip, done } = carrying

    for (;;) {
      const line = free() ?? (await open(limits.connectMs))
      if (visitor.closed) return done('answered')
      if (typeof line === 'string') {
        blame(trip, line)
        return done('again')
      }
      // Those who waited longer may have filled it.
      if (!line.free) continue
      new Answer2(carrying, line)
      if (closed) line.end()
      return
    }
  }

  return {
    send: carrying => void send(carrying),
    close() {
      closed = true
      for (const line of lines) line.end()
    },
  }
}
