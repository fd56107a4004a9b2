import { instanceLabels, ownCall, type Rooms } from '../core/rooms.ts'
import type { ContainerInfo } from '../docker/engine.ts'
import { UserError } from '../errors.ts'
import type { ServiceLink } from '../store/services.ts'
import type { Service } from '../types.ts'
import { type Loops, tellServiceLoop } from './loops.ts'
import { ensureNetwork } from './network.ts'
import type { Pauses } from './pauses.ts'
import { dissolve, engineName, ensureNetworks, launch, linksOf, specHash } from './service.ts'
import { onlyAddress } from './subnet.ts'

interface Memory {
  readonly pauses: Pauses
  readonly loops: Loops
}

/** What is said to those who wait for the turn of a service. */
const looking = 'a look at it'

export function turnOf({ plugin, name }: Pick<Service, 'plugin' | 'name'>): string {
  return `${plugin} ${name}`
}

/** Every service as the store says: those that are wanted run, reached by the apps that may and by no others. Answers whether all came about. */
export async function bringBackServices(memory: Memory, rooms: Rooms): Promise<boolean> {
  const infos = await rooms.engine.containers(instanceLabels(rooms))
  const services = rooms.store.services.list()
  const names = new Set(services.map(each => engineName(each, rooms)))
  memory.pauses.keepOnly(names)
  memory.loops.keepOnly(names)
  const done = await Promise.all(
    services.map(service => {
      const info = infos.find(each => each.name === engineName(service, rooms))
      if (isFine(service, info, memory, rooms)) return true
      return inTurn(service, rooms, now => mend(now, memory, rooms))
    }),
  )
  return done.every(Boolean)
}

/** What was cut off while it was made is taken away, and so is what was to go. */
export async function finishServices(rooms: Rooms): Promise<boolean> {
  const half = rooms.store.services
    .list()
    .filter(({ state }) => state === 'making' || state === 'retired')
    .map(service => inTurn(service, rooms, now => dissolve(now, rooms)))
  return (await Promise.all(half)).every(Boolean)
}

/** Unless somebody is at it: whoever is leaves it as it ought to be. */
async function inTurn(
  service: Service,
  rooms: Rooms,
  work: (service: Service) => Promise<void>,
): Promise<boolean> {
  const turn = turnOf(service)
  if (rooms.services.busy(turn)) return true
  try {
    await rooms.services.exclusive(turn, looking, ownCall(rooms), async () => {
      const now = rooms.store.services.list().find(each => each.id === service.id)
      if (now) await work(now)
    })
    return true
  } catch (err) {
    rooms.log.error({ err, service: turn }, 'a service is not as it ought to be; it is tried again')
    return false
  }
}

function isFine(
  service: Service,
  info: ContainerInfo | undefined,
  { pauses, loops }: Memory,
  rooms: Rooms,
): boolean {
  const { state } = service
  if (state === 'making' || state === 'retired') return true
  if (state === 'stopped') return info?.state !== 'running' && info?.state !== 'restarting'
  if (state === 'changing') return false
  if (info && loops.seen(info.name, info.restarts)) tellServiceLoop(service, info, rooms)
  if (!serves(service, info, rooms)) return false
  pauses.runs(info!.name, info!.startedAt)
  return linksOf(service, rooms).every(link => link.leftAt === undefined && isJoined(link, info!, rooms))
}

function serves(service: Service, info: ContainerInfo | undefined, rooms: Rooms): boolean {
  if (info?.state === 'restarting') return true
  return (
    info?.state === 'running' &&
    info.addresses[engineName(service, rooms)] === onlyAddress(service.subnet) &&
    info.labels['com.davit.spec'] === specHash(service, rooms)
  )
}

function isJoined({ app, address }: ServiceLink, { addresses }: ContainerInfo, { store }: Rooms): boolean {
  return addresses[store.networks.of(app)?.name ?? ''] === address
}

async function mend(service: Service, { pauses, loops }: Memory, rooms: Rooms): Promise<void> {
  const { engine, store, log } = rooms
  const name = engineName(service, rooms)
  const info = await engine.inspect(name)
  if (service.state === 'stopped') return engine.stop(name, { seconds: stopSeconds(service, rooms) })
  if (service.state === 'changing') {
    log.warn({ service: turnOf(service) }, 'a change of a service that was cut off is undone')
    store.services.revert(service)
  }
  if (service.state === 'retired' || service.state === 'making') return
  if (!serves(service, info, rooms)) {
    if (!pauses.due(name)) return
    if (info) loops.again(name)
    log.warn({ service: turnOf(service), was: info?.state ?? 'gone' }, 'starting a service again')
    try {
      await bringUp(service, info, rooms)
    } catch (error) {
      pauses.wait(name)
      throw error
    }
    if (info === undefined) pauses.forget(name)
    return
  }
  await settleLinks(service, rooms)
}

/** Running, of what is recorded, and restarted by the engine when it fails. One that has ended starts as it is. */
export async function bringUp(
  service: Service,
  info: ContainerInfo | undefined,
  rooms: Rooms,
): Promise<void> {
  const { engine } = rooms
  const name = engineName(service, rooms)
  await ensureNetworks(service, rooms)
  if (!(await startsAsItIs(service, info, rooms))) await launch(service, rooms)
  await engine.setRestart(name, true)
  await settleLinks(service, rooms)
}

async function startsAsItIs(
  service: Service,
  info: ContainerInfo | undefined,
  rooms: Rooms,
): Promise<boolean> {
  if (info?.state !== 'exited' && info?.state !== 'created') return false
  if (info.labels['com.davit.spec'] !== specHash(service, rooms)) return false
  try {
    await rooms.engine.start(info.name)
    return true
  } catch (err) {
    rooms.log.warn({ err, container: info.name }, 'a service does not start as it is; it is made anew')
    return false
  }
}

export function stopSeconds(service: Service, { store }: Rooms): number {
  return store.services.spec(service).stopTimeout ?? 30
}

/** In the networks of the apps that reach it, and of no others. One that left keeps what its older containers may still be using. */
export async function settleLinks(service: Service, rooms: Rooms): Promise<void> {
  for (const link of linksOf(service, rooms)) {
    if (link.leftAt === undefined) await join(service, link, rooms)
    else if (!(await isUsed(link, rooms))) await part(service, link, rooms)
  }
}

async function join(service: Service, link: ServiceLink, rooms: Rooms): Promise<void> {
  const { engine } = rooms
  const name = engineName(service, rooms)
  const network = (await ensureNetwork(link.app, rooms)).name
  const info = await engine.inspect(name)
  if (!info || isJoined(link, info, rooms)) return
  if (info.addresses[network] !== undefined) await engine.disconnect(name, network)
  const connect = (address: string) => engine.connect(name, network, { aliases: [service.host], address })
  await connect(link.address).catch(async (error: unknown) => {
    if (!(error instanceof UserError && error.code === 'address-taken')) throw error
    // A task holds it, which no row tells of: another one is as good.
    const app = rooms.store.apps.find(link.app)!
    const address = rooms.store.networks.takeAddress(link.app)
    rooms.store.services.link(service, app, { ...link, address })
    await connect(address)
  })
}

/** Whether a container of the app is older than the end of the link: it may be in the middle of something. */
async function isUsed({ app, leftAt }: ServiceLink, { engine, store, settings }: Rooms): Promise<boolean> {
  const rows = new Set(store.containers.of(app).map(each => each.name))
  const infos = await engine.containers(instanceLabels({ settings }))
  return infos.some(
    ({ name, createdAt, state }) => rows.has(name) && state === 'running' && createdAt < leftAt!,
  )
}

async function part(service: Service, { app }: ServiceLink, rooms: Rooms): Promise<void> {
  const network = rooms.store.networks.of(app)
  if (network) await rooms.engine.disconnect(engineName(service, rooms), network.name)
  const there = rooms.store.apps.find(app)
  if (there) rooms.store.services.unlink(service, there)
}
