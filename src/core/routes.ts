import { messageOf, UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import { getApp } from './apps.ts'
import type { Rooms } from './rooms.ts'

export function createRoutesView(rooms: Rooms): Core['routes'] {
  return {
    get: async (name, call) => rooms.routes.shaped(getApp(name, rooms), call),

    async refresh(name, call) {
      if (name !== undefined) {
        await rooms.routes.refresh(getApp(name, rooms), call)
        return
      }
      const failed = await rooms.routes.refreshAll(call)
      if (failed.length > 0)
        throw new UserError('refresh-failed', failed.join('\n'), 'The others are as set.')
    },

    async fault(name, call) {
      try {
        await rooms.routes.shaped(getApp(name, rooms), call)
        return undefined
      } catch (error) {
        return messageOf(error)
      }
    },
  }
}
