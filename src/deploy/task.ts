import { appLabels, type Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { AppName, ContainerSpec } from '../types.ts'
import { ensureShared, joinsOf, sharedIn } from './joint-network.ts'
import { ensureNetwork } from './network.ts'
import { randomHex } from './random.ts'

export interface Task {
  readonly app: AppName
  /** `run`, `release`: part of the container's name, and its `com.davit.task` label. */
  readonly kind: string
  readonly spec: ContainerSpec
  readonly interactive?: { readonly tty: boolean }
}

/** Makes a one-off container in the app's own network and removes it after the work, which attaches, starts and waits for it. */
export async function withTask<T>(task: Task, rooms: Rooms, work: (name: string) => Promise<T>): Promise<T> {
  await ensureNetwork(task.app, rooms)
  await ensureShared(sharedIn(task.spec), rooms)
  return withFreeAddress(async () => {
    const name = await create(task, rooms)
    try {
      return await work(name)
    } finally {
      // Its end must not hide how the work ended; the nightly upkeep takes away what stays.
      await rooms.engine
        .remove(name)
        .catch((err: unknown) => rooms.log.warn({ err, container: name }, 'a task stays for now'))
    }
  })
}

async function create({ app, kind, spec, interactive }: Task, rooms: Rooms): Promise<string> {
  const name = `${rooms.settings.instance}-${app}.${kind}.${randomHex(8)}`
  await rooms.engine.create({
    name,
    spec,
    labels: { ...spec.labels, ...appLabels(rooms, app), 'com.davit.task': kind },
    network: rooms.store.networks.of(app)!.name,
    address: rooms.store.networks.takeAddress(app),
    ...joinsOf(spec, rooms),
    restart: false,
    ...(interactive ? { interactive } : {}),
  })
  return name
}

/**
 * Tasks hold their addresses on the engine only, so an address that the store gives may be in use: the engine says so at the start,
 * before anything ran, and the next one is tried. UserError `address-taken` when none of the network's 61 is free.
 */
export async function withFreeAddress<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UserError && error.code === 'address-taken') || tries === 61) throw error
    }
  }
}
