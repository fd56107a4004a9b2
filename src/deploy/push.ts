import { deployBranchOf } from '../core/repository.ts'
import type { Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { Push, RefUpdate } from '../git/push.ts'
import type { App, AppName, Call } from '../types.ts'
import { deploy } from './deploy.ts'
import { refuseMoved } from './rename.ts'

const heads = 'refs/heads/'
const tags = 'refs/tags/'

/** What a push means, decided before any ref is taken. Throws UserError to reject it whole. */
export async function acceptPush(app: App, push: Push, call: Call, rooms: Rooms): Promise<void> {
  refuseMoved(app, rooms)
  const branches = push.refs.filter(each => each.name.startsWith(heads))
  refuseStrays(push.refs, branches)
  const deployBranch = deployBranchOf(app.name, rooms) ?? firstBranch(branches)
  const deployed = branches.find(each => each.name === `${heads}${deployBranch}`)
  if (deployed && isDeletion(deployed)) throw deletion(app.name, deployBranch)
  for (const other of branches.filter(each => each !== deployed))
    keep(other, { app: app.name, deployBranch, call })
  if (!deployed || deployBranch === undefined) return
  await refuseStale(app, deployed, deployBranch, rooms)
  const source = await rooms.repositories.source(app.name, deployed.new, {
    branch: deployBranch,
    quarantine: push.quarantine,
  })
  await deploy(app, source, call, rooms)
  if (rooms.store.properties.get('git', app.name, 'first-branch') === undefined) {
    rooms.store.properties.set('git', app.name, 'first-branch', deployBranch)
    await rooms.repositories.setHead(app.name, deployBranch)
  }
}

/** Another push came before this one: git would refuse the ref, so nothing may be deployed for it. */
async function refuseStale(app: App, ref: RefUpdate, branch: string, { repositories }: Rooms): Promise<void> {
  const tip = await repositories.tip(app.name, branch)
  if ((tip ?? '').replace(/^0+$/, '') === ref.old.replace(/^0+$/, '')) return
  throw new UserError(
    'fetch-first',
    `${branch} has changed since this push began; nothing was changed.`,
    `Look at what came before: git fetch davit, then push again.`,
  )
}

/** Branches, and tags beside them, are taken; anything else is a mistake that would deploy nothing. */
function refuseStrays(refs: readonly RefUpdate[], branches: readonly RefUpdate[]): void {
  const stray = refs.find(each => !each.name.startsWith(heads) && !each.name.startsWith(tags))
  if (stray) throw noBranch(stray.name, 'is no branch')
  const tag = refs.find(each => each.name.startsWith(tags) && !isDeletion(each))
  if (tag && branches.length === 0) throw noBranch(tag.name, 'is a tag, and only branches are deployed')
}

function noBranch(name: string, what: string): UserError {
  return new UserError(
    'no-branch',
    `${name} ${what}; nothing was changed.`,
    'Push what you want live to a branch: git push davit NAME^{commit}:refs/heads/main',
  )
}

/** Of the branches that come first, the usual names win. */
function firstBranch(branches: readonly RefUpdate[]): string | undefined {
  const names = branches.filter(each => !isDeletion(each)).map(each => each.name.slice(heads.length))
  return ['main', 'master'].find(each => names.includes(each)) ?? names[0]
}

function isDeletion({ new: now }: RefUpdate): boolean {
  return /^0+$/.test(now)
}

function deletion(app: AppName, branch: string | undefined): UserError {
  return new UserError(
    'deploy-branch',
    `${branch} is what ${app} is deployed from; it is not deleted.`,
    `To take the app down: ps:stop ${app}, or apps:destroy ${app}`,
  )
}

function keep(
  ref: RefUpdate,
  { app, deployBranch, call }: { app: AppName; deployBranch: string | undefined; call: Call },
): void {
  const name = ref.name.slice(heads.length)
  if (isDeletion(ref)) {
    call.out.detail(`Branch ${name} is deleted; it was not deployed.`)
    return
  }
  call.out.step(`Branch ${name} is kept, not deployed: ${deployBranch} is the deploy branch`)
  call.out.detail(
    `To deploy it: git push davit ${name}:${deployBranch}, or git:set ${app} deploy-branch ${name}`,
  )
}
