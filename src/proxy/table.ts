import type { Route } from '../types.ts'
import type { Secured } from './gates/https.ts'
import { findByHostname } from './hostname.ts'
import { openMemory, type Site, siteOf } from './site.ts'

/** Sites by app, and how a hostname finds its own. A change costs what its own app has, however many others there are. */
export interface Table {
  routes(): readonly Route[]
  /** `hostname` as hostnameOf made it: itself first, then the longest wildcard. */
  find(hostname: string): Site | undefined
  /** All of them anew. */
  sync(routes: readonly Route[]): void
  point(route: Route): void
  forget(app: string): void
  /** The release that an app's route says it points to. */
  release(app: string): number | undefined
}

export function openTable(routes: readonly Route[] = [], secured?: Secured): Table {
  const byApp = new Map<string, Site>()
  const byDomain = new Map<string, Site>()
  const memory = openMemory(secured)
  /** What was found last: each request asks twice, and the next one is likely to be for the same app. */
  let last: { readonly hostname: string; readonly site: Site | undefined } | undefined

  const forget = (app: string) => {
    const site = byApp.get(app)
    if (!site) return
    byApp.delete(app)
    last = undefined
    for (const domain of Object.keys(site.route.domains)) {
      if (byDomain.get(domain) === site) byDomain.delete(domain)
    }
  }
  const point = (route: Route) => {
    forget(route.app)
    last = undefined
    const site = siteOf(route, memory)
    byApp.set(route.app, site)
    for (const domain of Object.keys(route.domains)) byDomain.set(domain, site)
  }
  const sync = (all: readonly Route[]) => {
    byApp.clear()
    byDomain.clear()
    last = undefined
    for (const route of all) point(route)
  }
  sync(routes)
  return {
    routes: () => [...byApp.values()].map(site => site.route),
    find(hostname) {
      if (last === undefined || last.hostname !== hostname) {
        last = { hostname, site: findByHostname(byDomain, hostname) }
      }
      return last.site
    },
    sync,
    point,
    forget,
    release: app => byApp.get(app)?.route.release,
  }
}
