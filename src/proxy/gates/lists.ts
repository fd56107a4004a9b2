import type { Route } from '../../types.ts'
import { pages } from '../pages.ts'
import type { Gate, Verdict } from '../site.ts'
import { addressesOf } from '../trust.ts'

/** Turns away who is on the deny list, and, where there is an allow list, who is not on it. */
export function listGate(lists: Route['lists']): Gate | undefined {
  const admits = admitting(lists)
  return admits && (({ client }) => (admits(client) ? undefined : refused))
}

/** Whether an address may come; undefined where any may. */
export function admitting(lists: Route['lists']): ((client: string) => boolean) | undefined {
  const deny = addressesOf(Object.keys(lists?.deny ?? {}))
  const allow = addressesOf(Object.keys(lists?.allow ?? {}))
  if (!deny && !allow) return undefined
  return client => !(deny?.(client) || allow?.(client) === false)
}

const refused: Verdict = { page: pages.notAllowed }
