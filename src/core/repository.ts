import type { Core } from '../plugin/core.ts'
import type { AppName } from '../types.ts'
import type { Rooms } from './rooms.ts'

export function createRepository(rooms: Rooms): Core['repository'] {
  return {
    deployBranch: app => deployBranchOf(app, rooms),
    async tip(app) {
      const branch = deployBranchOf(app, rooms)
      return branch === undefined ? undefined : rooms.repositories.tip(app, branch)
    },
  }
}

/** As set for the app, as set for the host, or the first branch that was pushed. */
export function deployBranchOf(app: AppName, { store }: Pick<Rooms, 'store'>): string | undefined {
  const get = (owner: AppName | undefined, key: string) => store.properties.get('git', owner, key)
  return get(app, 'deploy-branch') ?? get(undefined, 'deploy-branch') ?? get(app, 'first-branch')
}
