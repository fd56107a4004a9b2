import { type Asked, type Refused, readRequest } from './asked.ts'
import type { Noise } from './books.ts'
import type { Outcome } from './carry.ts'
import { serveFiles } from './files.ts'
import { breakOff } from './grpc.ts'
import type { Guard } from './guard.ts'
import type { Limits } from './limits.ts'
import { serveMount } from './mounts.ts'
import { answerPage, type Page, pages } from './pages.ts'
import type { NoPlace, Place, Places } from './places.ts'
import { type Kept, keepBody } from './send2.ts'
import type { Dress, Site, Verdict } from './site.ts'
import type { Traffic } from './traffic.ts'
import { Trip } from './trip.ts'
import type { Trust } from './trust.ts'
import type { Upstreams } from './upstreams.ts'
import type { Visitor } from './visitor.ts'

export interface Parts {
  /** Asked anew for every request. */
  readonly find: (hostname: string) => Site | undefined
  readonly upstreams: Upstreams
  readonly places: Places
  readonly guard: Guard
  readonly traffic: Traffic
  readonly limits: Limits
  readonly trust: () => Trust
  /** No more requests are taken on connections that are there. */
  readonly leaving: () => boolean
  /** Heard once for each request, when it is over. */
  readonly note: (trip: Trip) => void
  /** Heard before that, when its app is known. */
  readonly enter: (trip: Trip, site: Site) => void
  /** Heard when it has become a WebSocket. */
  readonly switched: (trip: Trip) => void
  /** Heard of what was no request. */
  readonly noise: (noise: Noise) => void
  /** A bug: the client of that moment pays for it, nobody else. */
  readonly report: (error: unknown) => void
}

/** The story of a request: read, its site found, the gates passed, then files or an upstream; a page where there is no answer. */
export function serve(visitor: Visitor, parts: Parts) {
  const going = receive(visitor, parts)
  if (going === undefined) return
  const { asked, site } = going
  const limits = site.limits(parts.limits)
  if (limits !== parts.limits) visitor.patience(Math.max(limits.answerMs, limits.streamIdleMs))
  if (asked.body !== 'none') parts.guard.watch(visitor, limits)
  const mounted = site.mount?.(asked.path)
  if (mounted?.to.open) return serveMount(going, mounted, parts)
  const pass = site.gates.length === 0 ? undefined : passGates(going)
  if (pass === undefined) return lead(going, parts)
  void Promise.resolve(pass)
    .then(verdict => (verdict ? tell(verdict, going) : lead(going, parts)))
    .catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
}

/** A request that can be read, and whose site is there; of any other the client has been told, and the answer is undefined. */
export function receive(visitor: Visitor, parts: Parts): Going | undefined {
  const trip = new Trip(visitor)
  visitor.onClose(() => {
    trip.fault ??= visitor.fault
    parts.note(trip)
  })
  const asked = readRequest(visitor, parts.trust())
  // At once: the parser may find fault with the same request before the next tick.
  if ('why' in asked) return void refuse(asked, visitor, trip)
  trip.asked = asked
  const site = parts.find(asked.hostname)
  if (!site) return void answerPage(visitor, pages.unknownHost(asked.hostname), asked)
  parts.enter(trip, site)
  return { visitor, asked, site, trip }
}

function refuse(asked: Refused, visitor: Visitor, trip: Trip): void {
  trip.refused = { id: asked.id, client: visitor.peer.address }
  trip.fault = asked.why
  answerPage(visitor, pages.refused(asked.status, asked.why), asked)
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

export function tell({ page, fields }: Verdict, { visitor, asked, site, trip }: Going): void {
  if (visitor.closed) return
  trip.fault ??= page.fault
  if (page.lost) trip.lost = true
  const html = page.html ?? site.route.pages?.[page.status]
  const { dress } = site
  answerPage(visitor, html === undefined ? page : { ...page, html }, asked, {
    fields,
    dress: dress && ((status, all) => dress(status, all, asked)),
  })
}

function lead(passed: Going, parts: Parts) {
  const { visitor: plain, asked, site } = passed
  const { files } = site.route
  if (plain.closed) return
  if ((asked.length ?? 0) > site.limits(parts.limits).bodyBytes)
    return tell({ page: pages.tooLarge }, compressing(passed))
  const mounted = site.mount?.(asked.path)
  if (mounted) return serveMount(compressing(passed), mounted, parts)
  if (files === undefined) return ask(passed, parts, undefined)
  // What is sent in pieces may not be taken for ever.
  parts.guard.watch(plain, site.limits(parts.limits))
  const going = compressing(passed)
  const { visitor } = going
  const exchange = { kind: 'request', end: () => visitor.cut() } as const
  const done = parts.traffic.begin({ host: files, port: 0 }, exchange)
  serveFiles(files, { visitor, asked, dress: site.dress })
    .then(page => {
      if (page !== 'answered') tell({ page }, going)
    })
    .catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
    .finally(done)
}

function compressing(going: Going): Going {
  const { compress } = going.site
  return compress ? { ...going, visitor: compress(going.visitor) } : going
}

/** From what was asked to the app, or to the page that says why not. `read`: of its body, by an upstream that did not take it. */
function ask(going: Going, parts: Parts, tried: Place | undefined, read?: Kept) {
  const { visitor, asked, trip } = going
  // The table may have changed since the first try, or while this waited.
  const site = () => parts.find(asked.hostname)
  parts.places.take({ visitor, asked, site, tried }, place => {
    if (typeof place === 'string') return tell(noPlace(place, asked.hostname), compressing(going))
    const { lane, release, cookie } = place
    const { dress, route } = place.site
    const limits = place.site.limits(parts.limits)
    const exchange = {
      kind: 'request',
      end: () => breakOff(visitor, trip, 'this app is being replaced'),
    } as const
    const done = parts.traffic.begin(lane.upstream, exchange)
    trip.upstream = lane.name
    trip.release = release
    if (tried !== undefined) trip.retries++
    const kept = route.protocol === 'grpc' ? (read ?? keepBody()) : undefined
    const carrying = {
      visitor,
      asked,
      trip,
      limits,
      kept,
      compress: going.site.compress,
      stalled: () => parts.guard.watch(visitor, limits),
      dress: cookie ? withField(cookie, dress) : dress,
      done: (outcome: Outcome) => {
        done()
        parts.places.leave(place, outcome)
        if (outcome === 'answered' || visitor.closed) return
        if (outcome === 'again' && tried === undefined) return ask(going, parts, place, kept)
        tell({ page: pageOf(outcome) }, compressing(going))
      },
    }
    // The app spoke HTTP/2 a moment ago, and there is nobody left to give the beginning to.
    if (read && read.bytes > 0 && !kept) return carrying.done('unreachable')
    parts.upstreams.to(lane.upstream, route.protocol).send(carrying, { fresh: tried !== undefined })
  })
}

export function pageOf(outcome: Exclude<Outcome, 'answered'>): Page {
  if (outcome === 'large') return pages.tooLarge
  return outcome === 'slow' ? pages.slow : pages.unreachable
}

export function noPlace(why: NoPlace, hostname: string): Verdict {
  switch (why) {
    case 'unknown':
      return { page: pages.unknownHost(hostname) }
    case 'stopped':
      return { page: pages.stopped }
    case 'full':
      return { page: pages.busy, fields: ['Retry-After', '1'] }
    case 'late':
      return { page: pages.slow }
  }
}

function withField([name, value]: readonly [string, string], dress: Dress | undefined): Dress {
  return (status, fields, asked) => {
    fields.push(name, value)
    return dress ? dress(status, fields, asked) : fields
  }
}
