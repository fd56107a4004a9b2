import { readFile } from 'node:fs/promises'

import { appLabels, type Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { Network } from '../store/store.ts'
import type { AppName } from '../types.ts'
import { freeSubnet, gatewayOf, routedBlocks } from './subnet.ts'

/** The app's own network, recorded and there. UserError `pool-out` when the pool has no room left. */
export async function ensureNetwork(app: AppName, rooms: Rooms): Promise<Network> {
  const recorded = rooms.store.networks.of(app)
  if (recorded) {
    await make(recorded, rooms)
    return recorded
  }
  const refused: string[] = []
  for (;;) {
    const taken = [...refused, ...(await occupied(rooms))]
    const network = reserve(app, taken, rooms)
    try {
      await make(network, rooms)
      return network
    } catch (error) {
      rooms.store.networks.remove(app)
      if (!(error instanceof UserError && error.code === 'subnet-taken')) throw error
      refused.push(network.subnet)
    }
  }
}

async function make({ app, name, subnet }: Network, rooms: Rooms): Promise<void> {
  await rooms.engine.ensureNetwork({
    name,
    subnet,
    gateway: gatewayOf(subnet),
    labels: appLabels(rooms, app),
  })
}

/** Subnets that are recorded for apps and services, there or not. */
export function recordedSubnets({ networks, services }: Rooms['store']): string[] {
  return [...networks.list(), ...services.list()].map(each => each.subnet)
}

/** Subnets that are in use on the engine, and blocks that the host has routes to. */
export async function occupied({ engine }: Rooms): Promise<string[]> {
  const [networks, routes] = await Promise.all([engine.networks(), readFile('/proc/net/route', 'utf8')])
  return [...networks.flatMap(each => each.subnets), ...routedBlocks(routes)]
}

/** Chosen and recorded without a pause between, so that two apps never choose the same. */
function reserve(app: AppName, taken: readonly string[], { settings, store }: Rooms): Network {
  const subnet = freeSubnet(settings.pool, [...taken, ...recordedSubnets(store)])
  if (!subnet) {
    throw poolOut({ settings })
  }
  const network = { app, name: freeName(`${settings.instance}-${app}`, store), subnet }
  store.networks.add(network)
  return network
}

export function poolOut({ settings }: Pick<Rooms, 'settings'>): UserError {
  return new UserError(
    'pool-out',
    `No network is left in ${settings.pool}.`,
    'Give Davit a larger pool: --pool or DAVIT_POOL',
  )
}

/** A renamed app keeps its network and the network its name, which a later app of the old name must not take. */
function freeName(name: string, { networks }: Rooms['store']): string {
  const taken = networks.list().map(each => each.name)
  return [name, ...taken.map((_, at) => `${name}-${at + 2}`)].find(each => !taken.includes(each))!
}
