import { ensureShared, removeShared, sharedNetworks } from '../deploy/joint-network.ts'
import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { Rooms } from './rooms.ts'

export function createNetworks(rooms: Rooms): Core['networks'] {
  return {
    list: () => sharedNetworks(rooms),
    async create(name) {
      if ((await sharedNetworks(rooms)).some(each => each.name === name))
        throw new UserError('name-taken', `There is a network ${name} already.`)
      await ensureShared([name], rooms)
    },
    remove: name => removeShared(name, rooms),
  }
}
