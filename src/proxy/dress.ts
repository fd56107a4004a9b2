import type { Route } from '../types.ts'
import { without } from './fields.ts'
import { httpsDress, type Secured } from './gates/https.ts'
import type { Dress } from './site.ts'

/** Fields that the route sets or takes away, on every answer: the app's, files', and the proxy's own. The route's have the last word. */
export function dressOf(route: Route, secured: Secured): Dress | undefined {
  const first = httpsDress(route, secured)
  const last = headersOf(route)
  if (!first || !last) return first ?? last
  return (status, fields, asked) => last(status, first(status, fields, asked), asked)
}

function headersOf({ headers }: Route): Dress | undefined {
  const given = Object.entries(headers ?? {})
  if (given.length === 0) return undefined
  const names = new Set(given.map(([name]) => name.toLowerCase()))
  const added = given.filter(([, value]) => value !== '').flat()
  return (_status, fields) => [...without(fields, names), ...added]
}
