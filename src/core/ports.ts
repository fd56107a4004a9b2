import { respread } from '../deploy/deploy.ts'
import { siteIn } from '../deploy/site.ts'
import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { App, AppName, Call, PortMapping } from '../types.ts'
import { getApp } from './apps.ts'
import { findMain, mappingText, ownPorts, portsSet, sameMapping, webPort } from './port-map.ts'
import type { Rooms } from './rooms.ts'

export function createPorts(rooms: Rooms): Core['ports'] {
  const { store } = rooms
  return {
    of: name => portsSet(name, store) ?? detected(name, rooms),
    detected: name => detected(name, rooms),
    async set(name, mappings, call) {
      const app = getApp(name, rooms)
      if (mappings) refuse(name, mappings, rooms)
      await change(app, mappings, call, rooms)
    },
  }
}

/** What counts while nothing is set: HTTP to the port that the image exposes, and HTTPS where there is a certificate. */
function detected(app: AppName, { store, routes }: Rooms): readonly PortMapping[] {
  const container = store.releases.live(app)?.port ?? 5000
  const plain = { scheme: 'http', host: 80, container } as const
  return routes.certificates(app).length === 0 ? [plain] : [plain, { scheme: 'https', host: 443, container }]
}

/**
 * Containers are told the port that HTTP leads to, so another one needs new containers: they are ready before anybody is led there. All else
 * is the proxy's alone. What cannot come about is not kept.
 */
async function change(
  app: App,
  mappings: readonly PortMapping[] | undefined,
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const { store } = rooms
  const keep = (text: string | undefined) => store.properties.set('ports', app.name, 'map', text)
  const before = store.properties.get('ports', app.name, 'map')
  const after = () => keep(mappings?.map(mappingText).join(' '))
  const undo = (error: unknown): never => {
    keep(before)
    throw error
  }
  const live = store.releases.live(app.name)
  if (live && siteIn(live.image) === undefined) {
    const port = findMain(mappings ?? [])?.container ?? live.port
    if (port !== webPort(app.name, live, store)) {
      const what = `ports:set ${app.name}`
      await respread(app, { what, prepare: async () => after(), onLive: after }, call, rooms).catch(undo)
      await rooms.routes.refresh(app, call)
      return
    }
  }
  after()
  await open(app, call, rooms).catch(async (error: unknown) => {
    keep(before)
    await rooms.routes.refresh(app, call)
    throw error
  })
}

/** UserError `port-taken`. */
async function open(app: App, call: Call, rooms: Rooms): Promise<void> {
  const [port] = await rooms.routes.refresh(app, call)
  if (port === undefined) return
  const why = port < 1024 ? 'it is below 1024, or another program has it' : 'another program has it'
  throw new UserError(
    'port-taken',
    `Port ${port} cannot be opened: ${why}.`,
    'Choose another port of the host.',
  )
}

/** Throws UserErrors `bad-port`, `port-taken`. */
function refuse(name: AppName, mappings: readonly PortMapping[], rooms: Rooms): void {
  const byHost = new Map<number, PortMapping>()
  for (const mapping of mappings) {
    const other = byHost.get(mapping.host)
    if (other && !sameMapping(other, mapping))
      throw new UserError('bad-port', `Port ${mapping.host} cannot lead to two places.`)
    byHost.set(mapping.host, mapping)
    refuseScheme(mapping)
    if (!ownPorts.has(mapping.host)) refuseTaken(name, mapping.host, rooms)
  }
  const main = mappings.filter(each => ownPorts.has(each.host))
  const first = findMain(mappings)
  if (main.some(each => each.container !== first?.container || isGrpc(each) !== isGrpc(first)))
    throw new UserError('bad-port', 'Ports 80 and 443 lead to one port of the container, in one protocol.')
}

const isGrpc = ({ scheme }: PortMapping) => scheme === 'grpc' || scheme === 'grpcs'

function refuseScheme({ scheme, host }: PortMapping): void {
  const secure = scheme === 'https' || scheme === 'grpcs'
  if (!ownPorts.has(host) || (scheme !== 'tcp' && secure === (host === 443))) return
  const spoken = host === 443 ? 'https or grpcs' : 'http or grpc'
  throw new UserError('bad-port', `Port ${host} speaks ${spoken}, not ${scheme}.`)
}

function refuseTaken(name: AppName, host: number, { settings, store }: Rooms): void {
  const own = [settings.sshListen, settings.httpListen, settings.httpsListen].find(
    each => each?.port === host,
  )
  if (own)
    throw new UserError(
      'port-taken',
      `Port ${host} is Davit's own.`,
      'Ports 80 and 443 stand for where it listens for HTTP and HTTPS.',
    )
  const other = store.apps
    .list()
    .find(each => each.name !== name && portsSet(each.name, store)?.some(mapping => mapping.host === host))
  if (other)
    throw new UserError(
      'port-taken',
      `Port ${host} leads to ${other.name} already.`,
      `Free it with: ports:remove ${other.name} ${host}`,
    )
}
