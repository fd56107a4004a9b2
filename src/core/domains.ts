import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import { readHostname } from '../plugin/names.ts'
import type { Store } from '../store/store.ts'
import type { App, AppName, Call } from '../types.ts'
import { findMain, portsSet } from './port-map.ts'
import { isOffProxy } from './proxy-settings.ts'
import type { Rooms } from './rooms.ts'

/** All hostnames of an app: APP.GLOBAL for each global domain unless the app gave them up, then its own, in the order they came. */
export function hostnamesOf(app: AppName, store: Store): readonly string[] {
  const own = store.domains.of(app)
  const defaults = givenUp(app, store) ? [] : store.domains.global().map(global => `${app}.${global}`)
  return [...defaults.filter(each => !own.includes(each)), ...own]
}

export function createDomains(rooms: Rooms): Core['domains'] {
  const { store, hooks, routes } = rooms
  const changed = async (app: App, call: Call) => {
    await routes.refresh(app, call)
    const hostnames = hostnamesOf(app.name, store)
    rooms.events.tell({
      kind: 'domains-changed',
      app: app.name,
      by: call.by.person,
      text: `${app.name} is found at ${hostnames.join(', ') || 'no hostname'}.`,
      data: { hostnames: hostnames.join(' ') },
    })
    await hooks.afterDomains({ app, hostnames }, { ...call, signal: rooms.last })
  }
  return {
    of: app => hostnamesOf(app, store),
    global: () => store.domains.global(),
    urls: app => urlsOf(app, rooms),

    async add(name, hostnames, call) {
      const app = found(name, store)
      const added = store.transaction(() => hostnames.filter(each => addOne(name, each, store)))
      if (added.length > 0) await changed(app, call)
      return added
    },

    async remove(name, hostnames, call) {
      const app = found(name, store)
      const removed = store.transaction(() => hostnames.filter(each => removeOne(name, each, store)))
      if (removed.length > 0) await changed(app, call)
      return removed
    },

    async setGlobal(hostnames, call) {
      const read = hostnames.map(readHostname)
      store.transaction(() => {
        store.domains.setGlobal(read)
        for (const app of store.apps.list()) refuseForeign(app.name, hostnamesOf(app.name, store), store)
      })
      for (const app of store.apps.list()) if (!app.retired) await changed(app, call)
    },
  }
}

function found(name: AppName, store: Store): App {
  const app = store.apps.find(name)
  if (!app) throw new Error(`${name} was looked up before`)
  return app
}

function addOne(app: AppName, hostname: string, store: Store): boolean {
  if (hostnamesOf(app, store).includes(hostname)) return false
  refuseForeign(app, [hostname], store)
  if (isDefault(app, hostname, store)) {
    store.properties.set('domains', app, 'default', undefined)
    return true
  }
  return store.domains.add(app, hostname)
}

/** A default name taken away stays away: the app's other default names become its own, so that only this one goes. */
function removeOne(app: AppName, hostname: string, store: Store): boolean {
  const wasOwn = store.domains.remove(app, hostname)
  if (!hostnamesOf(app, store).includes(hostname)) return wasOwn
  const others = hostnamesOf(app, store).filter(each => each !== hostname)
  store.properties.set('domains', app, 'default', 'off')
  for (const other of others) store.domains.add(app, other)
  return true
}

/** Throws UserError `domain-taken` when one of the names leads to another app already. */
export function refuseForeign(app: AppName, hostnames: readonly string[], store: Store): void {
  for (const other of store.apps.list()) {
    const taken =
      other.name === app ? undefined : hostnames.find(each => hostnamesOf(other.name, store).includes(each))
    if (taken)
      throw new UserError(
        'domain-taken',
        `${taken} belongs to ${other.name}.`,
        `Free it with: domains:remove ${other.name} ${taken}`,
      )
  }
}

function isDefault(app: AppName, hostname: string, store: Store): boolean {
  return store.domains.global().some(global => hostname === `${app}.${global}`)
}

function givenUp(app: AppName, store: Store): boolean {
  return store.properties.get('domains', app, 'default') === 'off'
}

/** Wildcards name no page, so they are left out. */
export function urlsOf(app: AppName, { store, settings, routes }: Rooms): string[] {
  const set = portsSet(app, store)
  if (isOffProxy(app, store) || (set && !findMain(set))) return []
  const secured = new Set(routes.certificates(app).flatMap(each => each.hostnames))
  const { httpListen: http, httpsListen: https } = settings
  return hostnamesOf(app, store)
    .filter(each => !each.startsWith('*.'))
    .map(each => {
      if (https && secured.has(each)) return `https://${each}${https.port === 443 ? '' : `:${https.port}`}`
      return `http://${each}${http.port === 80 ? '' : `:${http.port}`}`
    })
}
