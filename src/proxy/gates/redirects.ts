import type { Redirect, Route } from '../../types.ts'
import type { Asked } from '../asked.ts'
import { findByHostname } from '../hostname.ts'
import { pages } from '../pages.ts'
import type { Gate } from '../site.ts'

/** Leads hostnames elsewhere: to another host, path and query kept, or to one URL. */
export function redirectGate(redirects: Route['redirects']): Gate | undefined {
  const places = new Map(Object.entries(redirects ?? {}).map(([name, to]) => [name, placeOf(to)]))
  if (places.size === 0) return undefined
  return asked => {
    const place = findByHostname(places, asked.hostname)
    if (!place) return undefined
    const url = place.url(asked)
    return { page: pages.moved(place.status, url), fields: ['Location', url] }
  }
}

interface Place {
  readonly status: number
  readonly url: (asked: Asked) => string
}

function placeOf({ to, status }: Redirect): Place {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(to)) {
    return { status, url: asked => `${asked.scheme}://${to}${pathOf(asked)}` }
  }
  // Only scheme and host: a place for every path, like a bare host.
  const keepsPath = /^[^:]+:\/\/[^/?#]+$/.test(to)
  return { status, url: keepsPath ? asked => `${to}${pathOf(asked)}` : () => to }
}

/** A field's value holds no bytes but ASCII; whatever else came is written as in any URL. */
export function pathOf({ path }: Asked): string {
  if (path === '*') return '/'
  return path.replace(/[^\x21-\x7e]/g, byte => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
