import net, { type Server } from 'node:net'

import type { Handle } from '../listen.ts'
import type { Route, RoutePort } from '../types.ts'
import { type Passage, type PassingParts, passing } from './passing.ts'
import type { Parts } from './serve.ts'
import type { SocketCalls } from './socket-calls.ts'
import { openTable, type Table } from './table.ts'

/** Ports of the host that lead to one app each, beside the instance's own. */
export interface Ports {
  /** As the app's route has them now. Answers those that cannot be opened. */
  point(route: Route): Promise<readonly number[]>
  sync(routes: readonly Route[]): Promise<readonly number[]>
  forget(app: string): void
  /** Takes no more connections. */
  close(): void
}

export interface PortsParts extends PassingParts {
  readonly sockets: Pick<SocketCalls, 'call' | 'onOffer'>
  readonly parts: Parts
  /** Serves HTTP on what it listens to; `secure`: over TLS. */
  readonly serve: (parts: Parts, options: { secure: boolean }) => Server
}

interface Open extends Passage {
  readonly scheme: RoutePort['scheme']
  readonly server: Server
  listening: boolean
  /** Of the app alone, whatever hostname is asked for. */
  readonly table: Table
}

export function openPorts(all: PortsParts): Ports {
  const open = new Map<number, Open>()
  let closed = false

  const shut = (port: number) => {
    net.Server.prototype.close.call(open.get(port)!.server)
    open.delete(port)
  }
  const lead = async (route: Route, port: number, { scheme, upstreams }: RoutePort): Promise<boolean> => {
    const known = open.get(port)
    if (known && known.scheme !== scheme) shut(port)
    const entry = open.get(port) ?? make(port, scheme, route, all)
    entry.route = route
    entry.upstreams = Object.values(upstreams)
    const { https: _, canary: __, ports: ___, protocol: ____, ...rest } = route
    const protocol = scheme.startsWith('grpc') ? 'grpc' : 'http'
    entry.table.sync([{ ...rest, protocol, upstreams, domains: { [anyName]: true } }])
    open.set(port, entry)
    if (!entry.listening) await begin(entry, await all.sockets.call(port))
    return entry.listening
  }
  const begin = async (entry: Open, handle: Handle | undefined) => {
    if (!handle) return
    if (open.get(entry.port) !== entry || entry.listening) return handle.close()
    entry.listening = true
    entry.listening = await listen(entry.server, handle)
  }
  const point = async (route: Route): Promise<readonly number[]> => {
    if (closed) return []
    const wanted = Object.entries(route.ports ?? {}).map(([port, to]) => [Number(port), to] as const)
    for (const [port, { route: own }] of open) {
      if (own.app === route.app && !wanted.some(each => each[0] === port)) shut(port)
    }
    // All at once: whatever is told next finds them as this route has them.
    const led = await Promise.all(wanted.map(([port, to]) => lead(route, port, to)))
    return wanted.flatMap(([port], at) => (led[at] ? [] : [port]))
  }
  const forget = (app: string) => {
    for (const [port, { route }] of open) if (route.app === app) shut(port)
  }
  all.sockets.onOffer((port, handle) => {
    const entry = open.get(port)
    if (entry) void begin(entry, handle)
    else handle.close()
  })
  return {
    point,
    forget,
    async sync(routes) {
      const there = new Set<string>(routes.map(({ app }) => app))
      for (const [port, { route }] of open) if (!there.has(route.app)) shut(port)
      return (await Promise.all(routes.map(point))).flat()
    },
    close: () => {
      closed = true
      for (const port of [...open.keys()]) shut(port)
    },
  }
}

/** The one name in a port's own table. */
const anyName = 'port'

function make(port: number, scheme: RoutePort['scheme'], route: Route, all: PortsParts): Open {
  const table = openTable()
  const entry = { port, route, scheme, table, upstreams: [], listening: false }
  if (scheme === 'tcp') return Object.assign(entry, { server: passing(entry, all) })
  const parts = { ...all.parts, find: () => table.find(anyName) }
  return Object.assign(entry, {
    server: all.serve(parts, { secure: scheme === 'https' || scheme === 'grpcs' }),
  })
}

/** False when another program was quicker. */
function listen(server: Server, handle: Handle): Promise<boolean> {
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(handle, () => resolve(true))
  })
}
