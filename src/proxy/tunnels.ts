import { type Slots, slot } from './tally.ts'

/** Connections to an app's ports whose bytes pass as they are: how many are open, and what they have carried so far. */
export interface Tunnels {
  open(): number
  /** One has begun; counted in the slots that there are by then. The returned function ends it. */
  begin(flow: () => Flow, slots: () => Slots): () => void
  /** Counts what has passed since the last time; whether something has. */
  settle(): boolean
}

/** Bytes since its beginning. */
export interface Flow {
  readonly received: number
  readonly sent: number
}

interface Tunnel {
  readonly flow: () => Flow
  readonly slots: () => Slots
  counted: Flow
}

export function openTunnels(): Tunnels {
  const all = new Set<Tunnel>()
  return {
    open: () => all.size,
    begin(flow, slots) {
      const tunnel: Tunnel = { flow, slots, counted: { received: 0, sent: 0 } }
      slots()[slot.tunnels]!++
      all.add(tunnel)
      return () => {
        if (all.delete(tunnel)) count(tunnel)
      }
    },
    settle() {
      let passed = false
      for (const tunnel of all) passed = count(tunnel) || passed
      return passed
    },
  }
}

function count(tunnel: Tunnel): boolean {
  const { counted } = tunnel
  const now = tunnel.flow()
  const [received, sent] = [now.received - counted.received, now.sent - counted.sent]
  if (received === 0 && sent === 0) return false
  const slots = tunnel.slots()
  slots[slot.tunnelReceived]! += received
  slots[slot.tunnelSent]! += sent
  tunnel.counted = now
  return true
}
