import net, { type Server, type Socket } from 'node:net'

import type { Route, Upstream } from '../types.ts'
import type { Balance } from './balance.ts'
import type { Carried } from './books.ts'
import { dial } from './dial.ts'
import { admitting } from './gates/lists.ts'
import type { Parts } from './serve.ts'
import { peerOf } from './visitor1.ts'

/** A port whose bytes lead to an app, as its route has it now. */
export interface Passage {
  readonly port: number
  route: Route
  upstreams: readonly Upstream[]
}

export interface PassingParts {
  readonly parts: Pick<Parts, 'guard' | 'traffic' | 'limits'>
  readonly balance: Balance
  /** Of each connection's beginning; what is answered hears once what came of it. */
  readonly carrying: (route: Route) => (carried: Carried) => void
}

/** Passes bytes on as they are. */
export function passing(passage: Passage, { parts, balance, carrying }: PassingParts): Server {
  const { guard, traffic, limits } = parts
  return net.createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, async near => {
    near.on('error', () => near.destroy())
    const { port, route, upstreams } = passage
    if (!guard.admits(near)) return void near.destroy()
    const began = performance.now()
    const { address: client } = peerOf(near)
    const carried = carrying(route)
    const trip: { upstream?: string; why?: string } = {}
    near.once('close', () => {
      const { bytesRead, bytesWritten } = near
      const ms = Math.round(performance.now() - began)
      carried({ port, client, received: bytesRead, sent: bytesWritten, ms, ...trip })
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
    near.once('close', traffic.begin(lane.upstream, { kind: 'websocket', end: () => near.destroy() }))
    const far = await dial(lane.upstream, limits.connectMs)
    balance.end(lane, far ? 'answered' : 'unreachable')
    if (!far) return fail('could not be reached')
    if (near.destroyed) return void far.destroy()
    join(near, far)
  })
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
