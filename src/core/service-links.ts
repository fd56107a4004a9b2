import { crashAt } from '../deploy/crash.ts'
import { ensureNetwork } from '../deploy/network.ts'
import { refuseMoved } from '../deploy/rename.ts'
import { linksOf, titleOf } from '../deploy/service.ts'
import { settleLinks, turnOf } from '../deploy/service-rounds.ts'
import { UserError } from '../errors.ts'
import type { LinkOptions } from '../plugin/services.ts'
import type { App, AppName, Call, Env, Service } from '../types.ts'
import { getApp } from './apps.ts'
import { provide } from './config.ts'
import type { Rooms } from './rooms.ts'

/** The link with its values in one, then the network; what fails takes the link back. */
export async function link(
  service: Service,
  name: AppName,
  { values, reason, restart }: LinkOptions & { readonly values: Env },
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const app = getApp(name, rooms)
  await together(service, app, reason, { call, rooms }, async () => {
    const before = linkOf(service, app, rooms)
    await ensureNetwork(app.name, rooms)
    rooms.store.transaction(() => {
      const address = before?.address ?? rooms.store.networks.takeAddress(app.name)
      const gone = (before?.keys ?? []).filter(key => !Object.hasOwn(values, key))
      const given = { ...values, ...Object.fromEntries(gone.map(key => [key, undefined])) }
      rooms.store.services.link(service, app, { address, keys: Object.keys(values) })
      provide(app.name, given, { owner: service.plugin, rooms })
    })
    crashAt('service:linked', rooms.settings)
    try {
      await settleLinks(service, rooms)
    } catch (error) {
      if (before === undefined || before.leftAt) end(service, app, Object.keys(values), rooms)
      throw error
    }
  })
  if (restart) rooms.operations.ask(app.name, reason)
}

/** The values at once, the network when nothing of the app is left that may be using it. */
export async function unlink(
  service: Service,
  name: AppName,
  { reason, restart }: LinkOptions,
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const app = getApp(name, rooms)
  await together(service, app, reason, { call, rooms }, async () => {
    const { keys } = mustBeLinked(service, app, rooms)
    end(service, app, keys, rooms)
    crashAt('service:left', rooms.settings)
    await settleLinks(service, rooms)
  })
  if (restart) rooms.operations.ask(app.name, reason)
}

function end(service: Service, app: App, keys: readonly string[], rooms: Rooms): void {
  rooms.store.transaction(() => {
    rooms.store.services.leave(service, app)
    const taken = Object.fromEntries(keys.map(key => [key, undefined]))
    provide(app.name, taken, { owner: service.plugin, rooms })
  })
}

/** In the turns of both, the app's first: a handler within the app's change may ask for its service. */
function together(
  service: Service,
  app: App,
  what: string,
  { call, rooms }: { call: Call; rooms: Rooms },
  work: () => Promise<void>,
): Promise<void> {
  const said = `${call.by.person}'s ${what}`
  return rooms.queue.exclusive(app.name, `${said} (${app.name})`, call, () =>
    rooms.services.exclusive(turnOf(service), said, call, async () => {
      refuseMoved(app, rooms)
      await work()
    }),
  )
}

/** UserError `not-linked`. */
function mustBeLinked(service: Service, app: App, rooms: Rooms) {
  const found = linkOf(service, app, rooms)
  if (found?.leftAt === undefined && found !== undefined) return found
  throw new UserError('not-linked', `${titleOf(service)} is not linked to ${app.name}.`)
}

function linkOf(service: Service, app: App, rooms: Rooms) {
  return linksOf(service, rooms).find(each => each.app === app.name)
}
