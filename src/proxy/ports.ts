import net, { type Server } from 'node:net'

import type { Route, RoutePort } from '../types.ts'
import { type Passage, type PassingParts, passing } from './passing.ts'
import type { Parts } from './serve.ts'
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
  /** The address that the instance listens on. */
  readonly host: string
  readonly parts: Parts
  /** Serves HTTP on what it listens to; `secure`: over TLS. */
  readonly serve: (parts: Parts, options: { secure: boolean }) => Server
}

interface Open extends Passage {
  readonly scheme: RoutePort['scheme']
  readonly server: Server
  /** Of the app alone, whatever hostname is asked for. */
  readonly table: Table
}

export function openPorts(all: PortsParts): Ports {
  const open = new Map<number, Open>()

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
    if (open.has(port)) return true
    open.set(port, entry)
    const opened = await listen(entry.server, port, all.host)
    if (!opened) open.delete(port)
    return opened
  }
  const point = async (route: Route): Promise<readonly number[]> => {
    const wanted = Object.entries(route.ports ?? {}).map(([port, to]) => [Number(port), to] as const)
    for (const [port, { route: own }] of open) {
      if (own.app === route.app && !wanted.some(each => each[0] === port)) shut(port)
    }
    const failed: number[] = []
    for (const [port, to] of wanted) if (!(await lead(route, port, to))) failed.push(port)
    return failed
  }
  const forget = (app: string) => {
    for (const [port, { route }] of open) if (route.app === app) shut(port)
  }
  return {
    point,
    forget,
    async sync(routes) {
      for (const [port, { route }] of open) if (!routes.some(({ app }) => app === route.app)) shut(port)
      return (await Promise.all(routes.map(point))).flat()
    },
    close: () => {
      for (const port of [...open.keys()]) shut(port)
    },
  }
}

/** The one name in a port's own table. */
const anyName = 'port'

function make(port: number, scheme: RoutePort['scheme'], route: Route, all: PortsParts): Open {
  const table = openTable()
  const entry: Open = { port, route, scheme, table, upstreams: [], server: net.createServer() }
  if (scheme === 'tcp') return Object.assign(entry, { server: passing(entry, all) })
  const parts = { ...all.parts, find: () => table.find(anyName) }
  return Object.assign(entry, {
    server: all.serve(parts, { secure: scheme === 'https' || scheme === 'grpcs' }),
  })
}

/** In every worker on the same port: the kernel deals connections out (SO_REUSEPORT). False when the port is another's. */
function listen(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const without = host === '::' && ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(error.code ?? '')
      resolve(without ? listen(server, port, '0.0.0.0') : false)
    })
    server.listen({ port, host, reusePort: true }, () => resolve(true))
  })
}
