import { join } from 'node:path'

import { type Rooms, serviceLabels } from '../core/rooms.ts'
import type { NewContainer } from '../docker/engine.ts'
import type { ServiceLink } from '../store/services.ts'
import type { ContainerSpec, Service, ServiceSpec } from '../types.ts'
import { crashAt } from './crash.ts'
import { ensureNetwork } from './network.ts'
import { folderOf, removeFolder } from './service-folder.ts'
import { hashOf } from './spec.ts'
import { gatewayOf, onlyAddress } from './subnet.ts'

/** A service's container, network and folders, as the store says. Who changes one has its turn. */

/** Of its container and its network on the engine. No app's is called so: theirs begin with the instance and a dash. */
export function engineName({ plugin, name }: Service, { settings }: Pick<Rooms, 'settings'>): string {
  return `${settings.instance}.${plugin}.${name}`
}

/** As a person says it. */
export function titleOf({ plugin, name }: Service): string {
  return `The ${plugin} service ${name}`
}

export function linksOf({ id }: Service, { store }: Pick<Rooms, 'store'>): readonly ServiceLink[] {
  return store.services.links().filter(each => each.service === id)
}

/** A new container in place of the one that may be there, in its own network and in those of the apps that reach it. */
export async function launch(service: Service, rooms: Rooms): Promise<void> {
  const { engine } = rooms
  await ensureNetworks(service, rooms)
  await engine.remove(engineName(service, rooms))
  await engine.create(formOf(service, rooms))
  await engine.start(engineName(service, rooms))
}

export async function ensureNetworks(service: Service, rooms: Rooms): Promise<void> {
  await ensureOwnNetwork(service, rooms)
  for (const { app } of linksOf(service, rooms)) await ensureNetwork(app, rooms)
}

/** UserError `subnet-taken`. */
export async function ensureOwnNetwork(service: Service, rooms: Rooms): Promise<void> {
  const { subnet } = service
  await rooms.engine.ensureNetwork({
    name: engineName(service, rooms),
    subnet,
    gateway: gatewayOf(subnet),
    labels: serviceLabels(service, rooms),
  })
}

function formOf(service: Service, rooms: Rooms): NewContainer {
  const spec = rooms.store.services.spec(service)
  const own = containerSpec(spec, service, rooms)
  return {
    name: engineName(service, rooms),
    spec: own,
    labels: { ...own.labels, ...serviceLabels(service, rooms), 'com.davit.spec': hashOf(own) },
    network: engineName(service, rooms),
    address: onlyAddress(service.subnet),
    hostname: service.host,
    joins: Object.fromEntries(
      linksOf(service, rooms).map(({ app, address }) => [
        rooms.store.networks.of(app)!.name,
        { aliases: [service.host], address },
      ]),
    ),
    restart: false,
  }
}

/** Whether a container is made of what is recorded now: its label says of what. */
export function specHash(service: Service, rooms: Rooms): string {
  return hashOf(containerSpec(rooms.store.services.spec(service), service, rooms))
}

/** With its volumes; for its own container, and for one-off commands beside it. */
export function containerSpec(spec: ServiceSpec, service: Service, rooms: Rooms): ContainerSpec {
  const { volumes = {}, ready: _ready, readyWithinMs: _within, ...rest } = spec
  const mounts = Object.entries(volumes).map(([target, { name }]) => [
    target,
    { source: join(folderOf(service, rooms), name) },
  ])
  const usual = { command: [], env: {}, labels: {}, pidLimit: 1024, stopTimeout: 30 }
  return { ...usual, ...rest, mounts: Object.fromEntries(mounts) }
}

/** All that is a service's own goes, its data too, and its row last. What was done before is passed over. */
export async function dissolve(service: Service, rooms: Rooms): Promise<void> {
  const { engine, store } = rooms
  await engine.remove(engineName(service, rooms))
  crashAt('service:removed', rooms.settings)
  await engine.removeNetwork(engineName(service, rooms))
  await removeFolder(service, rooms)
  store.services.remove(service)
}

/** The app's network loses those that reach it from outside of the app: it is about to go. */
export async function leaveNetwork(app: ServiceLink['app'], rooms: Rooms): Promise<void> {
  const network = rooms.store.networks.of(app)
  if (!network) return
  const linked = new Set(rooms.store.services.links().flatMap(each => (each.app === app ? each.service : [])))
  for (const service of rooms.store.services.list().filter(each => linked.has(each.id)))
    await rooms.engine.disconnect(engineName(service, rooms), network.name)
}
