import type { Route } from '../../types.ts'
import { pages } from '../pages.ts'
import type { Gate, Verdict } from '../site.ts'
import { addressesOf } from '../trust.ts'

/** Seconds after which a client may as well ask again. */
const again = '120'

/** Shows everybody the maintenance page, but for those who look after the app. */
export function maintenanceGate(maintenance: Route['maintenance']): Gate | undefined {
  if (!maintenance) return undefined
  const { page, allowed } = maintenance
  const isAllowed = addressesOf(Object.keys(allowed ?? {}))
  const closed: Verdict = {
    page: page === undefined ? pages.maintenance : { ...pages.maintenance, html: page },
    fields: ['Retry-After', again],
  }
  return ({ client }) => (isAllowed?.(client) ? undefined : closed)
}
