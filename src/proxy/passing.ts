import net, { type Server, type Socket } from 'node:net'

import type { Route, Upstream } from '../types.ts'
import type { Balance } from './balance.ts'
import type { Carried } from './books.ts'
import { dial } from './dial.ts'
import { admitting } from './gates/lists.ts'
import type { Origins } from './origins.ts'
import type { Parts } from './serve.ts'
import type { Flow } from './tunnels.ts'
import { peerOf } from './visitor.ts'

/** A port whose bytes lead to an app, as its route has it now. */
export interface Passage {
  readonly port: number
  route: Route
  upstreams: readonly Upstream[]
}

export interface PassingParts {
  readonly parts: Pick<Parts, 'guard' | 'traffic' | 'limits' | 'report'>
  readonly balance: Balance
  readonly origins: Origins
  /** Of each connection's beginning; what is answered hears once what came of it. */
  readonly carrying: (route: Route, flow: () => Flow) => (carried: Carried) => void
}

/** Passes bytes on as they are. */
export function passing(passage: Passage, all: PassingParts): Server {
  const { parts, origins } = all
  return net.createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, near => {
    near.on('error', () => near.destroy())
    if (!parts.guard.admits(near)) return void near.destroy()
    parts.guard.asks(near)
    origins.take(near, () => {
      pass(near, passage, all).catch(error => {
        parts.report(error)
        near.destroy()
      })
    })
  })
}

async function pass(near: Socket, { port, route, upstreams }: Passage, all: PassingParts): Promise<void> {
  const { parts, balance, origins, carrying } = all
  const { traffic, limits } = parts
  const began = performance.now()
  const peer = peerOf(near)
  const client = origins.find(peer) ?? peer.address
  const trip: { upstream?: string; why?: string } = {}
  // What a trusted proxy said of the client is not the client's.
  const before = near.bytesRead - near.readableLength
  const flow = () => ({ received: near.bytesRead - before, sent: near.bytesWritten })
  const carried = carrying(route, flow)
  near.once('close', () => {
    const ms = Math.round(performance.now() - began)
    carried({ port, client, ...flow(), ms, ...trip })
  })
  const fail = (why: string) => {
    trip.why = why
    near.destroy()
  }
  if (admitting(route.lists)?.(client) === false) return fail('may not come from there')
  const lane = balance.choose(balance.lanesOf(upstreams), { now: performance.now() })
  if (!lane) return fail('nothing is there')
  trip.upstream = lane.name
  balance.begin(lane)
  near.once('close', traffic.begin(lane.upstream, { kind: 'tunnel', end: () => near.destroy() }))
  const far = await dial(lane.upstream, limits.connectMs)
  balance.end(lane, far ? 'answered' : 'unreachable')
  if (!far) return fail('could not be reached')
  if (near.destroyed) return void far.destroy()
  join(near, far)
}

function join(near: Socket, far: Socket): void {
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.setKeepAlive(true, 60_000)
    one.pipe(other)
    one.once('close', () => other.destroySoon())
  }
}
