import { hash, randomBytes } from 'node:crypto'

import type { Lane } from './balance.ts'
import { valuesOf } from './fields.ts'

/** The cookie by which an app's client is known again, where its route asks for that. It says nothing of who that is. */
const cookie = 'davit_client'

/** Undefined when there is none, or one that was not ours. */
export function findClient(fields: readonly string[]): string | undefined {
  for (const value of valuesOf(fields, 'cookie')) {
    const [, id] = /(?:^|;)\s*davit_client=([0-9a-f]{16})\s*(?:;|$)/.exec(value) ?? []
    if (id) return id
  }
  return undefined
}

export function newClient(): string {
  return randomBytes(8).toString('hex')
}

/** The field that has a client come back with its id. */
export function clientCookie(id: string, scheme: 'http' | 'https'): readonly [string, string] {
  return [
    'Set-Cookie',
    `${cookie}=${id}; Path=/; HttpOnly; SameSite=Lax${scheme === 'https' ? '; Secure' : ''}`,
  ]
}

/** From 0 up to, not including, 100; the same for the same client. */
export function shareOf(id: string): number {
  return numberOf(id) % 100
}

/** The same lane for the same client while it is there, and when one goes only its own clients move (rendezvous hashing). */
export function laneOf(id: string, lanes: readonly Lane[]): Lane | undefined {
  let best: Lane | undefined
  let highest = -1
  for (const lane of lanes) {
    const weight = numberOf(`${id} ${lane.name}`)
    if (weight > highest) {
      best = lane
      highest = weight
    }
  }
  return best
}

function numberOf(text: string): number {
  return Number.parseInt(hash('sha256', text).slice(0, 8), 16)
}
