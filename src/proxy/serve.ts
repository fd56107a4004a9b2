import type { Upstream } from '../types.ts'
import { type Asked, readRequest } from './asked.ts'
import type { Outcome } from './carry.ts'
import { serveFiles } from './files.ts'
import type { Limits } from './limits.ts'
import { answerPage, type Page, pages } from './pages.ts'
import { sendPlainly } from './plain.ts'
import type { Site, Verdict } from './site.ts'
import { nameOf, type Traffic } from './traffic.ts'
import { Trip } from './trip.ts'
import type { Trust } from './trust.ts'
import type { Upstreams } from './upstreams.ts'
import type { Visitor } from './visitor.ts'

export interface Parts {
  /** Asked anew for every request. */
  readonly find: (hostname: string) => Site | undefined
  readonly upstreams: Upstreams
  readonly traffic: Traffic
  readonly limits: Limits
  readonly trust: () => Trust
  /** No more requests are taken on connections that are there. */
  readonly leaving: () => boolean
  /** Heard once for each request, when it is over. */
  readonly note: (trip: Trip) => void
  /** A bug: the client of that moment pays for it, nobody else. */
  readonly report: (error: unknown) => void
}

/** The story of a request: read, its site found, the gates passed, then files or an upstream; a page where there is no answer. */
export function serve(visitor: Visitor, parts: Parts) {
  const trip = new Trip(visitor)
  visitor.onClose(() => parts.note(trip))
  const asked = readRequest(visitor, parts.trust())
  // At once: the parser may find fault with the same request before the next tick.
  if ('why' in asked) return answerPage(visitor, pages.refused(asked.status, asked.why), asked)
  trip.asked = asked
  const site = parts.find(asked.hostname)
  if (!site) return answerPage(visitor, pages.unknownHost(asked.hostname), asked)
  trip.app = site.route.app
  trip.release = site.route.release
  const going: Going = { visitor, asked, site, trip }
  const pass = site.gates.length === 0 ? undefined : passGates(going)
  if (pass === undefined) return lead(going, parts)
  void Promise.resolve(pass)
    .then(verdict => (verdict ? tell(verdict, going) : lead(going, parts)))
    .catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
}

export interface Going {
  readonly visitor: Visitor
  readonly asked: Asked
  readonly site: Site
  readonly trip: Trip
}

/** The first verdict, if there is one. Settles at once while no gate has to wait. */
export function passGates(
  { asked, visitor, site: { gates } }: Pick<Going, 'asked' | 'visitor' | 'site'>,
  from = 0,
): Verdict | Promise<Verdict | undefined> | undefined {
  for (let at = from; at < gates.length; at++) {
    const verdict = gates[at]!(asked, visitor)
    if (verdict instanceof Promise) {
      return verdict.then(
        late => late ?? passGates({ asked, visitor, site: { gates } as unknown as Site }, at + 1),
      )
    }
    if (verdict) return verdict
  }
  return undefined
}

export function tell({ page, fields }: Verdict, { visitor, asked, site }: Going): void {
  if (!visitor.closed) answerPage(visitor, page, asked, { fields, dress: site.dress })
}

function lead(going: Going, parts: Parts) {
  const { visitor, asked, site } = going
  const { files } = site.route
  if (visitor.closed) return
  if (files === undefined) return ask(going, parts, undefined)
  const exchange = { kind: 'request', end: () => visitor.cut() } as const
  const done = parts.traffic.begin({ host: files, port: 0 }, exchange)
  serveFiles(files, { visitor, asked, dress: site.dress })
    .then(page => {
      if (page !== 'answered' && !visitor.closed) answerPage(visitor, page, asked, { dress: site.dress })
    })
    .catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
    .finally(done)
}

/** From what was asked to the app, or to the page that says why not. */
function ask(going: Going, parts: Parts, tried: Upstream | undefined) {
  const { visitor, asked, trip } = going
  // The table may have changed since the first try.
  const site = tried === undefined ? going.site : parts.find(asked.hostname)
  if (!site) return answerPage(visitor, pages.unknownHost(asked.hostname), asked)
  const upstream = choose(site, { tried, traffic: parts.traffic })
  if (!upstream) return tell({ page: pages.stopped }, going)
  const done = parts.traffic.begin(upstream, { kind: 'request', end: () => visitor.cut() })
  trip.upstream = nameOf(upstream)
  if (tried !== undefined) trip.retries++
  const carrying = {
    ...{ visitor, asked, trip, limits: parts.limits, dress: site.dress },
    done: (outcome: Outcome) => {
      done()
      if (outcome === 'answered' || visitor.closed) return
      if (outcome === 'again' && tried === undefined) return ask(going, parts, upstream)
      tell({ page: pageOf(outcome) }, going)
    },
  }
  if (asked.trailers || asked.path === '*') {
    sendPlainly(upstream, carrying).catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
  } else parts.upstreams.to(upstream).send(carrying, { fresh: tried !== undefined })
}

export function pageOf(outcome: Exclude<Outcome, 'answered'>): Page {
  return outcome === 'slow' ? pages.slow : pages.unreachable
}

/** The least busy; among equals, in turn. One that has just failed is asked again only when it is the only one. */
export function choose(
  site: Site,
  { tried, traffic }: { tried: Upstream | undefined; traffic: Traffic },
): Upstream | undefined {
  const all = Object.values(site.route.upstreams)
  const others = tried ? all.filter(upstream => nameOf(upstream) !== nameOf(tried)) : all
  const candidates = others.length > 0 ? others : all
  const turn = traffic.turn(site.route.app)
  let best: Upstream | undefined
  for (let at = 0; at < candidates.length; at++) {
    const next = candidates[(turn + at) % candidates.length]!
    if (!best || traffic.outstanding(next) < traffic.outstanding(best)) best = next
  }
  return best
}
