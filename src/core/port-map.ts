import { UserError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { AppName, Container, PortMapping, Release, Route } from '../types.ts'

export type PortsIn = Pick<Store, 'properties' | 'releases'>

/** Where the instance itself listens, wherever that is bound. */
export const ownPorts: ReadonlySet<number> = new Set([80, 443])

const schemes: Readonly<Record<string, PortMapping['scheme']>> = {
  ...{ http: 'http', https: 'https', grpc: 'grpc', grpcs: 'grpcs', tcp: 'tcp' },
  // A WebSocket begins as HTTP.
  ...{ ws: 'http', wss: 'https' },
}

/** `http:80:5000`. Throws UserError `bad-port`. */
export function readMapping(text: string): PortMapping {
  const [, name = '', host, container] = /^([a-z]+):(\d{1,5}):(\d{1,5})$/.exec(text) ?? []
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined
  const mapping = { scheme: scheme!, host: Number(host), container: Number(container) }
  if (scheme !== undefined && isPort(mapping.host) && isPort(mapping.container)) return mapping
  throw new UserError(
    'bad-port',
    `${JSON.stringify(text.slice(0, 40))} is no mapping of ports.`,
    `They look like http:80:5000: ${Object.keys(schemes).join(', ')}, a port of the host, a port of the container.`,
  )
}

export function isPort(port: number): boolean {
  return port > 0 && port < 65_536
}

export function mappingText({ scheme, host, container }: PortMapping): string {
  return `${scheme}:${host}:${container}`
}

export function sameMapping(one: PortMapping, other: PortMapping): boolean {
  return mappingText(one) === mappingText(other)
}

/** As a person set them; undefined where nobody did. */
export function portsSet(
  app: AppName,
  { properties }: Pick<PortsIn, 'properties'>,
): readonly PortMapping[] | undefined {
  return properties.get('ports', app, 'map')?.split(' ').map(readMapping)
}

/** How hostnames reach the app by the instance's own listeners; undefined when they do not. */
export function findMain(mappings: readonly PortMapping[]): PortMapping | undefined {
  return mappings.find(each => each.host === 80) ?? mappings.find(each => each.host === 443)
}

/** Where containers of the release are asked for HTTP, and what they are told as PORT. */
export function webPort(
  app: AppName,
  release: Pick<Release, 'port'>,
  store: Pick<PortsIn, 'properties'>,
): number {
  return findMain(portsSet(app, store) ?? [])?.container ?? release.port
}

/** What the mappings make of a route, beside where its web containers are asked. */
export function portsOf(
  app: AppName,
  web: readonly Container[],
  store: PortsIn,
): Pick<Route, 'protocol' | 'ports'> & { readonly reached: boolean } {
  const set = portsSet(app, store)
  if (!set) return { reached: true }
  const main = findMain(set)
  const others = set.filter(each => !ownPorts.has(each.host))
  const upstreams = (port: number) =>
    Object.fromEntries(
      // A container that still has another port for HTTP is asked on that.
      web.map(each => [each.name, { host: each.address, port: port === main?.container ? each.port : port }]),
    )
  return {
    reached: main !== undefined,
    ...(main?.scheme.startsWith('grpc') ? { protocol: 'grpc' as const } : {}),
    ...(others.length === 0
      ? {}
      : {
          ports: Object.fromEntries(
            others.map(({ scheme, host, container }) => [
              String(host),
              { scheme, upstreams: upstreams(container) },
            ]),
          ),
        }),
  }
}
