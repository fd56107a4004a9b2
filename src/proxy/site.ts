import type { Route } from '../types.ts'
import type { Asked } from './asked.ts'
import type { Page } from './pages.ts'
import type { Visitor } from './visitor.ts'

/** A route made ready for requests: what is worked out once stands here, so that a request does not pay for it. */
export interface Site {
  readonly route: Route
  /** Asked in order before anything else; the first that answers something ends the request with it. */
  readonly gates: readonly Gate[]
  /** Changes the fields of every answer, the proxy's own too. */
  readonly dress: Dress | undefined
}

export type Gate = (asked: Asked, visitor: Visitor) => Verdict | undefined | Promise<Verdict | undefined>

/** An answer of the proxy's own: a page, or a page with fields of its own (a redirect, a challenge). */
export interface Verdict {
  readonly page: Page
  readonly fields?: readonly string[]
}

export type Dress = (status: number, fields: string[]) => string[]

export function siteOf(route: Route): Site {
  return { route, gates: [], dress: undefined }
}
