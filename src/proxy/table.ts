import { domainToASCII } from 'node:url'

import type { Route } from '../types.ts'
import { type Site, siteOf } from './site.ts'

/** Sites by app, and how a hostname finds its own. A change costs what its own app has, however many others there are. */
export interface Table {
  routes(): readonly Route[]
  /** `hostname` as hostnameOf made it: itself first, then the longest wildcard. */
  find(hostname: string): Site | undefined
  /** All of them anew. */
  sync(routes: readonly Route[]): void
  point(route: Route): void
  forget(app: string): void
}

export function openTable(routes: readonly Route[] = []): Table {
  const byApp = new Map<string, Site>()
  const byDomain = new Map<string, Site>()

  const forget = (app: string) => {
    const site = byApp.get(app)
    if (!site) return
    byApp.delete(app)
    for (const domain of Object.keys(site.route.domains)) {
      if (byDomain.get(domain) === site) byDomain.delete(domain)
    }
  }
  const point = (route: Route) => {
    forget(route.app)
    const site = siteOf(route)
    byApp.set(route.app, site)
    for (const domain of Object.keys(route.domains)) byDomain.set(domain, site)
  }
  const sync = (all: readonly Route[]) => {
    byApp.clear()
    byDomain.clear()
    for (const route of all) point(route)
  }
  sync(routes)
  return {
    routes: () => [...byApp.values()].map(site => site.route),
    find: hostname => byDomain.get(hostname) ?? findWildcard(byDomain, hostname),
    sync,
    point,
    forget,
  }
}

function findWildcard(byDomain: ReadonlyMap<string, Site>, hostname: string): Site | undefined {
  for (let dot = hostname.indexOf('.'); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
    const site = byDomain.get(`*${hostname.slice(dot)}`)
    if (site) return site
  }
  return undefined
}

/**
 * The hostname in a Host field or an authority (RFC 9110 7.2): lower-case, without port and final dot, IDN as punycode.
 * Undefined when it is none. Bytes over 0x7f come as Node reads them, one character each.
 */
export function hostnameOf(host: string): string | undefined {
  const [, bracketed, name] =
    /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^\s:/?#@[\]\\]{1,255}))(?::\d{0,5})?$/.exec(host) ?? []
  if (bracketed) return bracketed.toLowerCase()
  if (!name) return undefined
  const ascii = /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : punycode(name)
  const bare = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(bare) && bare.length <= 253 ? bare : undefined
}

function punycode(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8')
  return text.includes('\ufffd') ? '' : domainToASCII(text)
}
