import { domainToASCII } from 'node:url'

import type { Route } from '../types.ts'

/** Routes by app, and how a hostname finds its own. Never changed: a change is a new table. */
export interface Table {
  readonly routes: readonly Route[]
  /** `hostname` as hostnameOf made it: itself first, then the longest wildcard. */
  find(hostname: string): Route | undefined
}

export function tableOf(routes: readonly Route[]): Table {
  const byDomain = new Map<string, Route>()
  for (const route of routes) {
    for (const domain of Object.keys(route.domains)) byDomain.set(domain, route)
  }
  return { routes, find: hostname => byDomain.get(hostname) ?? findWildcard(byDomain, hostname) }
}

export function pointed(table: Table, route: Route): Table {
  return tableOf([...table.routes.filter(({ app }) => app !== route.app), route])
}

export function forgotten(table: Table, app: string): Table {
  return tableOf(table.routes.filter(route => route.app !== app))
}

function findWildcard(byDomain: ReadonlyMap<string, Route>, hostname: string): Route | undefined {
  for (let dot = hostname.indexOf('.'); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
    const route = byDomain.get(`*${hostname.slice(dot)}`)
    if (route) return route
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
