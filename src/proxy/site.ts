import type { Route } from '../types.ts'
import type { Asked } from './asked.ts'
import type { Book } from './books.ts'
import { type Choice, openChoice } from './codings.ts'
import { Compressing } from './compress.ts'
import { dressOf } from './dress.ts'
import { authGate } from './gates/auth.ts'
import { httpsGate, type Secured, unsecured } from './gates/https.ts'
import { listGate } from './gates/lists.ts'
import { maintenanceGate } from './gates/maintenance.ts'
import { openPasswords, type Passwords } from './gates/passwords.ts'
import { openRates, type Rates, rateGate } from './gates/rates.ts'
import { redirectGate } from './gates/redirects.ts'
import { callLimits } from './grpc.ts'
import { type Limits, limitsOver } from './limits.ts'
import { type FindMount, mountsOf } from './mounts.ts'
import type { Page } from './pages.ts'
import type { Lanes } from './places.ts'
import type { Visitor } from './visitor.ts'

/** A route made ready for requests: what is worked out once stands here, so that a request does not pay for it. */
export interface Site {
  readonly route: Route
  /** Asked in order before anything else; the first that answers something ends the request with it. */
  readonly gates: readonly Gate[]
  /** Which paths are not the app's. */
  readonly mount: FindMount | undefined
  /** Changes the fields of every answer, the proxy's own too. */
  readonly dress: Dress | undefined
  /** Makes the app's answers smaller for those who take it. */
  readonly compress: ((visitor: Visitor) => Visitor) | undefined
  /** The instance's limits with the route's own over them. */
  readonly limits: (usual: Limits) => Limits
  /** Found by its first request, and kept for the next ones. */
  lanes: Lanes | undefined
  book: Book | undefined
}

export type Gate = (asked: Asked, visitor: Visitor) => Verdict | undefined | Promise<Verdict | undefined>

/** An answer of the proxy's own: a page, or a page with fields of its own (a redirect, a challenge). */
export interface Verdict {
  readonly page: Page
  readonly fields?: readonly string[]
}

export type Dress = (status: number, fields: string[], asked: Asked) => string[]

/** What a worker knows and remembers, whatever becomes of the routes: a new release gives nobody a fresh allowance. */
export interface Memory {
  readonly rates: Rates
  readonly passwords: Passwords
  readonly codings: Choice
  readonly secured: Secured
}

export function openMemory(secured: Secured = unsecured): Memory {
  return { secured, rates: openRates(), passwords: openPasswords(), codings: openChoice() }
}

/** Who may not come at all is told first, then who comes too often; who is sent elsewhere needs no password here. */
export function siteOf(route: Route, { rates, passwords, codings, secured }: Memory): Site {
  const gates = [
    listGate(route.lists),
    rateGate(route, rates),
    httpsGate(route, secured),
    redirectGate(route.redirects),
    maintenanceGate(route.maintenance),
    authGate(route.auth, passwords),
  ]
  return {
    route,
    gates: gates.filter(gate => gate !== undefined),
    mount: mountsOf(route),
    dress: dressOf(route, secured),
    compress: route.compress === false ? undefined : visitor => new Compressing(visitor, codings),
    limits: limitsOver(route.protocol === 'grpc' ? callLimits(route.limits) : route.limits),
    lanes: undefined,
    book: undefined,
  }
}
