import type { Route } from '../../types.ts'
import type { Asked } from '../asked.ts'
import { pages } from '../pages.ts'
import type { Dress, Gate } from '../site.ts'
import { pathOf } from './redirects.ts'

/** Where HTTPS stands, as far as a worker knows. */
export interface Secured {
  /** Whether there is a certificate for it. */
  has(hostname: string): boolean
  /** Undefined while nothing is served over TLS. */
  port(): number | undefined
}

export const unsecured: Secured = { has: () => false, port: () => undefined }

/** Leads http to https, for hostnames that have a certificate. What fetches one is left alone (RFC 8555 8.3). */
export function httpsGate({ https }: Route, secured: Secured): Gate | undefined {
  if (!https?.redirect) return undefined
  return (asked, { method }) => {
    const port = secured.port()
    if (asked.scheme === 'https' || port === undefined || !secured.has(asked.hostname)) return undefined
    if (asked.path.startsWith('/.well-known/acme-challenge/')) return undefined
    const url = `https://${asked.hostname}${port === 443 ? '' : `:${port}`}${pathOf(asked)}`
    // Any other method is to be kept, and 301 leaves that open (RFC 9110 15.4.2).
    const status = method === 'GET' || method === 'HEAD' ? 301 : 308
    return { page: pages.moved(status, url), fields: ['Location', url] }
  }
}

/** Has browsers remember that a hostname is found over https only (RFC 6797): said over https, and where the app does not say it itself. */
export function httpsDress({ https }: Route, secured: Secured): Dress | undefined {
  if (!https?.hsts) return undefined
  const { maxAge, includeSubdomains, preload } = https.hsts
  const value = `max-age=${maxAge}${includeSubdomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
  return (_status, fields, asked) => {
    if (isSecure(asked, secured) && !says(fields)) fields.push('Strict-Transport-Security', value)
    return fields
  }
}

function isSecure({ scheme, hostname }: Asked, { has }: Secured): boolean {
  return scheme === 'https' && has(hostname)
}

function says(fields: readonly string[]): boolean {
  return fields.some(
    (name, at) => at % 2 === 0 && name.length === 25 && name.toLowerCase() === 'strict-transport-security',
  )
}
