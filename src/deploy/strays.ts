import { instanceLabels, type Rooms } from '../core/rooms.ts'
import { sharedLabel } from './joint-network.ts'
import { engineName } from './service.ts'

/** Containers of ours that no row names, and no task: left by something that was killed. */
export async function removeUnknown(rooms: Rooms): Promise<void> {
  const infos = await rooms.engine.containers(instanceLabels(rooms))
  const known = namesOf(rooms.store.containers.list(), rooms)
  const left = infos.filter(each => !known.has(each.name) && !each.labels['com.davit.task'])
  for (const each of left) {
    rooms.log.warn({ container: each.name }, 'removing a container that nothing wants')
    await rooms.engine.remove(each.name)
  }
}

/** Of these, and of services, whose network is called as their container. */
function namesOf(rows: readonly { readonly name: string }[], rooms: Rooms): ReadonlySet<string> {
  const services = rooms.store.services.list().map(each => engineName(each, rooms))
  return new Set([...rows.map(each => each.name), ...services])
}

/** Networks of ours that no row names: made, and then their making was said to have failed. */
export async function removeUnknownNetworks(rooms: Rooms): Promise<void> {
  const networks = await rooms.engine.networks()
  const known = namesOf(rooms.store.networks.list(), rooms)
  const ours = networks.filter(each => each.labels['com.davit.instance'] === rooms.settings.instance)
  const stray = ours.filter(each => !known.has(each.name) && each.labels[sharedLabel] === undefined)
  for (const { name } of stray) {
    await rooms.engine
      .removeNetwork(name)
      .then(() => rooms.log.warn({ network: name }, 'removed a network that nothing wants'))
      .catch((err: unknown) =>
        rooms.log.warn({ err, network: name }, 'a network that nothing wants stays for now'),
      )
  }
}

/** Tasks of a daemon that is gone: nobody is at their other end. Called once, at the start. */
export async function removeTasks(rooms: Rooms): Promise<void> {
  const infos = await rooms.engine.containers(instanceLabels(rooms))
  for (const each of infos.filter(info => info.labels['com.davit.task'])) await rooms.engine.remove(each.name)
}
