import { appLabels, type Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { AppName, ContainerSpec } from '../types.ts'
import { ensureNetwork } from './network.ts'
import { randomHex } from './random.ts'

export interface Task {
  readonly app: AppName
  /** `run`, `release`: part of the container's name, and its `com.davit.task` label. */
  readonly kind: string
  readonly spec: ContainerSpec
  readonly interactive?: { readonly tty: boolean }
}

/** Makes a one-off container in the app's own network, not yet started. Answers its name; whoever asked removes it. */
export async function createTask({ app, kind, spec, interactive }: Task, rooms: Rooms): Promise<string> {
  const network = await ensureNetwork(app, rooms)
  const name = `${rooms.settings.instance}-${app}.${kind}.${randomHex(8)}`
  const labels = { ...spec.labels, ...appLabels(rooms, app), 'com.davit.task': kind }
  for (let tries = 0; ; tries++) {
    const address = rooms.store.networks.takeAddress(app)
    try {
      const container = { name, spec, labels, network: network.name, address, restart: false }
      await rooms.engine.create(interactive ? { ...container, interactive } : container)
      return name
    } catch (error) {
      // Tasks hold their addresses on the engine only, so another one may have this already.
      if (!(error instanceof UserError && error.code === 'address-taken') || tries === 60) throw error
    }
  }
}
