import { instanceLabels, type Rooms } from '../core/rooms.ts'
import type { NewContainer } from '../docker/engine.ts'
import { UserError } from '../errors.ts'
import type { ContainerSpec } from '../types.ts'
import { occupied, poolOut, recordedSubnets } from './network.ts'
import { freeSubnet, gatewayOf } from './subnet.ts'

/** Networks that several apps join, beside the one that each has for itself. The label holds the name that people gave. */
export const sharedLabel = 'com.davit.network'

export interface SharedNetwork {
  readonly name: string
  readonly subnet: string
}

export async function sharedNetworks({ engine, settings }: Rooms): Promise<readonly SharedNetwork[]> {
  const all = await engine.networks()
  return all
    .filter(each => each.labels['com.davit.instance'] === settings.instance)
    .flatMap(({ labels, subnets }) => {
      const name = labels[sharedLabel]
      return name === undefined ? [] : [{ name, subnet: subnets[0] ?? '' }]
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Makes those that are not there: an engine that was set up anew has lost them. UserError `pool-out`. */
export async function ensureShared(names: readonly string[], rooms: Rooms): Promise<void> {
  if (names.length === 0) return
  const there = new Set((await sharedNetworks(rooms)).map(each => each.name))
  for (const name of names) if (!there.has(name)) await makeShared(name, rooms)
}

async function makeShared(name: string, rooms: Rooms): Promise<void> {
  const { settings, store, engine } = rooms
  const refused: string[] = []
  for (;;) {
    const taken = [...refused, ...(await occupied(rooms)), ...recordedSubnets(store)]
    const subnet = freeSubnet(settings.pool, taken)
    if (!subnet) throw poolOut(rooms)
    try {
      const labels = { ...instanceLabels(rooms), [sharedLabel]: name }
      await engine.ensureNetwork({
        name: engineName(name, rooms),
        subnet,
        gateway: gatewayOf(subnet),
        labels,
      })
      return
    } catch (error) {
      if (!(error instanceof UserError && error.code === 'subnet-taken')) throw error
      refused.push(subnet)
    }
  }
}

export async function removeShared(name: string, rooms: Rooms): Promise<void> {
  await rooms.engine.removeNetwork(engineName(name, rooms))
}

export function sharedIn({ networks = {} }: ContainerSpec): readonly string[] {
  return Object.keys(networks)
}

/** As the engine is told them. */
export function joinsOf({ networks = {} }: ContainerSpec, rooms: Rooms): Pick<NewContainer, 'joins'> {
  const joins = Object.entries(networks).map(([name, { aliases }]) => [
    engineName(name, rooms),
    { aliases: Object.keys(aliases) },
  ])
  return { joins: Object.fromEntries(joins) }
}

/** No app's network is called so: theirs have a dash. */
function engineName(name: string, { settings }: Pick<Rooms, 'settings'>): string {
  return `${settings.instance}_${name}`
}
