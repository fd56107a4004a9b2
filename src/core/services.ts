import { existsSync } from 'node:fs'

import { crashAt } from '../deploy/crash.ts'
import { occupied, poolOut, recordedSubnets } from '../deploy/network.ts'
import { dissolve, engineName, ensureOwnNetwork, launch, linksOf, titleOf } from '../deploy/service.ts'
import { ensureFolders, folderOf } from '../deploy/service-folder.ts'
import { awaitReady } from '../deploy/service-ready.ts'
import { bringUp, stopSeconds, turnOf } from '../deploy/service-rounds.ts'
import { freeSubnet, onlyAddress } from '../deploy/subnet.ts'
import { Cancelled, UserError } from '../errors.ts'
import { readServiceName } from '../plugin/names.ts'
import type { PluginServices, ServiceFacts, ServiceStatus } from '../plugin/services.ts'
import type { Call, Service, ServiceSpec } from '../types.ts'
import { getApp } from './apps.ts'
import type { Rooms } from './rooms.ts'
import { link, unlink } from './service-links.ts'
import { execInService, imageOf, logsOfService, runBeside } from './service-streams.ts'

/** The services of one plugin. */
export function createServices(rooms: Rooms, owner: string): PluginServices {
  const get = (name: string) => getService(owner, name, rooms)
  /** In its turn, and as it is by then. */
  const inTurn = <T>(name: string, what: string, call: Call, work: (service: Service) => Promise<T>) =>
    rooms.services.exclusive(turnOf({ plugin: owner, name }), `${call.by.person}'s ${what}`, call, () =>
      work(get(name)),
    )
  return {
    image: (recipe, call) => imageOf(recipe, owner, call, rooms),
    list: () =>
      rooms.store.services
        .list()
        .filter(each => each.plugin === owner && isThere(each))
        .map(each => factsOf(each, rooms)),
    find(name) {
      const found = findService(owner, name, rooms)
      return found && factsOf(found, rooms)
    },
    get: name => factsOf(get(name), rooms),
    spec: name => rooms.store.services.spec(get(name)),
    create: async (name, spec, call) =>
      rooms.services.exclusive(
        turnOf({ plugin: owner, name: readServiceName(name) }),
        `${call.by.person}'s create`,
        call,
        async () => factsOf(await create({ plugin: owner, name, spec }, call, rooms), rooms),
      ),
    change: (name, spec, call) => inTurn(name, 'change', call, service => change(service, spec, call, rooms)),
    start: (name, call) => inTurn(name, 'start', call, service => start(service, call, rooms)),
    stop: (name, call) => inTurn(name, 'stop', call, service => stop(service, rooms)),
    restart: (name, call) => inTurn(name, 'restart', call, service => restart(service, call, rooms)),
    destroy: (name, call) => inTurn(name, 'destroy', call, service => destroy(service, rooms)),
    status: name => statusOf(get(name), rooms),
    exec: (name, words, io) => execInService(get(name), words, io, rooms),
    run: (name, words, io) => runBeside(get(name), words, io, rooms),
    logs: (name, options) => logsOfService(get(name), options, rooms),
    link: (name, app, values, options, call) => link(get(name), app, { ...options, values }, call, rooms),
    unlink: (name, app, options, call) => unlink(get(name), app, options, call, rooms),
  }
}

/** One that is being made is not there yet, and one that is being destroyed not any more. */
function isThere({ state }: Service): boolean {
  return state !== 'making' && state !== 'retired'
}

function findService(plugin: string, name: string, { store }: Rooms): Service | undefined {
  const found = store.services.find(plugin, name)
  return found && isThere(found) ? found : undefined
}

/** UserError `service-missing`. */
function getService(plugin: string, name: string, rooms: Rooms): Service {
  const found = findService(plugin, name, rooms)
  if (found) return found
  throw new UserError(
    'service-missing',
    `There is no ${plugin} service ${name}.`,
    `See what there is: ${plugin}:list`,
  )
}

function factsOf(service: Service, rooms: Rooms): ServiceFacts {
  const { name, host, subnet, state, createdAt } = service
  const links = linksOf(service, rooms).filter(each => each.leftAt === undefined)
  return {
    ...{ name, host, createdAt },
    address: onlyAddress(subnet),
    folder: folderOf(service, rooms),
    image: rooms.store.services.spec(service).image,
    stopped: state === 'stopped',
    links: links.map(({ app, keys }) => ({ app: getApp(app, rooms), keys })),
  }
}

async function statusOf(service: Service, rooms: Rooms): Promise<ServiceStatus> {
  const info = await rooms.engine.inspect(engineName(service, rooms))
  const says =
    info?.state === 'exited' ? `exited with ${info.exitCode ?? 'unknown'}` : (info?.state ?? 'missing')
  return { running: info?.state === 'running', says, id: info?.id, startedAt: info?.startedAt }
}

// Changes ------------------------------------------------------------------------------------------------

interface Wanted {
  readonly plugin: string
  readonly name: string
  readonly spec: ServiceSpec
}

async function create(wanted: Wanted, call: Call, rooms: Rooms): Promise<Service> {
  const { engine, store } = rooms
  await mustHaveImage(wanted.spec, rooms)
  const service = await reserve(wanted, rooms)
  crashAt('service:recorded', rooms.settings)
  try {
    await ensureFolders(service, rooms)
    await launch(service, rooms)
    crashAt('service:started', rooms.settings)
    await awaitReady(service, call.signal, rooms)
    crashAt('service:ready', rooms.settings)
    await engine.setRestart(engineName(service, rooms), true)
    if (call.signal.aborted) throw new Cancelled('Cancelled; nothing was made.')
    store.services.setState(service, 'wanted')
    return store.services.find(service.plugin, service.name)!
  } catch (error) {
    await dissolve(service, rooms).catch((err: unknown) =>
      rooms.log.error({ err, service: turnOf(service) }, 'an undo failed; it is tried again'),
    )
    throw error
  }
}

/** UserError `image-missing`. */
async function mustHaveImage({ image }: ServiceSpec, { engine }: Rooms): Promise<void> {
  if (await engine.image(image)) return
  throw new UserError('image-missing', `Image ${image} is not on this host.`)
}

/** Recorded, with a network of its own. UserErrors `name-taken`, `data-there`, `pool-out`. */
async function reserve(wanted: Wanted, rooms: Rooms): Promise<Service> {
  const { settings, store } = rooms
  if (existsSync(folderOf(wanted, rooms)) && !store.services.find(wanted.plugin, wanted.name))
    throw new UserError(
      'data-there',
      `${folderOf(wanted, rooms)} is there already; no service is made over somebody's data.`,
      'Move it away on the host first.',
    )
  const refused: string[] = []
  for (;;) {
    const taken = [...refused, ...(await occupied(rooms))]
    const subnet = freeSubnet(settings.pool, [...taken, ...recordedSubnets(store)])
    if (!subnet) throw poolOut(rooms)
    const service = store.transaction(() => {
      const host = freeHost(wanted, rooms)
      return store.services.add({ ...wanted, host, subnet })
    })
    try {
      await ensureOwnNetwork(service, rooms)
      return service
    } catch (error) {
      store.services.remove(service)
      if (!(error instanceof UserError && error.code === 'subnet-taken')) throw error
      refused.push(subnet)
    }
  }
}

/** Names of hosts know neither capitals nor underscores, and two services must not share one. UserErrors `name-taken`, `bad-name`. */
function freeHost({ plugin, name }: Wanted, { store }: Rooms): string {
  const host = `davit-${plugin}-${name}`.toLowerCase().replaceAll('_', '-')
  if (host.length > 63)
    throw new UserError('bad-name', `${name} is too long a name: ${host} would be no hostname.`)
  if (store.services.find(plugin, name))
    throw new UserError('name-taken', `There is a ${plugin} service ${name} already.`)
  const other = store.services.list().find(each => each.host === host)
  if (other)
    throw new UserError(
      'name-taken',
      `${titleOf(other)} is called ${host} already, as this one would be.`,
      'Give it a name that differs by more than capitals and underscores.',
    )
  return host
}

async function change(service: Service, spec: ServiceSpec, call: Call, rooms: Rooms): Promise<void> {
  const { engine, store } = rooms
  const name = engineName(service, rooms)
  await mustHaveImage(spec, rooms)
  if (service.state === 'stopped') {
    store.services.rewrite(service, spec)
    return ensureFolders(service, rooms)
  }
  store.services.change(service, spec)
  crashAt('service:changing', rooms.settings)
  try {
    await ensureFolders(service, rooms)
    await engine.stop(name, { seconds: stopSeconds(service, rooms) })
    await launch(service, rooms)
    crashAt('service:changed', rooms.settings)
    await awaitReady(service, call.signal, rooms)
    await engine.setRestart(name, true)
    store.services.settle(service)
  } catch (error) {
    store.services.revert(service)
    await bringUp(service, await engine.inspect(name), rooms).catch((err: unknown) =>
      rooms.log.error(
        { err, service: turnOf(service) },
        'a service does not run as before; it is tried again',
      ),
    )
    throw error
  }
}

async function start(service: Service, call: Call, rooms: Rooms): Promise<void> {
  const { engine, store } = rooms
  const info = await engine.inspect(engineName(service, rooms))
  if (service.state === 'stopped') store.services.setState(service, 'wanted')
  if (info?.state !== 'running') await bringUp(service, info, rooms)
  await awaitReady(service, call.signal, rooms)
}

async function stop(service: Service, rooms: Rooms): Promise<void> {
  rooms.store.services.setState(service, 'stopped')
  crashAt('service:stopping', rooms.settings)
  await rooms.engine.stop(engineName(service, rooms), { seconds: stopSeconds(service, rooms) })
}

/** It is wanted all the time: what is cut off is brought back. */
async function restart(service: Service, call: Call, rooms: Rooms): Promise<void> {
  await rooms.engine.stop(engineName(service, rooms), { seconds: stopSeconds(service, rooms) })
  await start(service, call, rooms)
}

async function destroy(service: Service, rooms: Rooms): Promise<void> {
  const { links } = factsOf(service, rooms)
  if (links.length > 0)
    throw new UserError(
      'service-linked',
      `${titleOf(service)} is linked to ${links.map(each => each.app.name).join(', ')}.`,
      `Unlink it first: ${service.plugin}:unlink ${service.name} ${links[0]!.app.name}`,
    )
  rooms.store.services.setState(service, 'retired') // From here it only goes forward.
  crashAt('service:retired', rooms.settings)
  await dissolve(service, rooms)
}
