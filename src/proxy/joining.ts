import { type Asked, readRequest } from './asked.ts'
import type { Outcome } from './carry.ts'
import { farewellTo } from './farewell.ts'
import { answerPage, pages } from './pages.ts'
import type { NoPlace, Place } from './places.ts'
import { noPlace, type Parts, pageOf, passGates, refuse, tell } from './serve.ts'
import type { Talk } from './talk.ts'
import { Trip } from './trip.ts'
import type { Visitor1 } from './visitor1.ts'
import { upgrade } from './websocket.ts'

/** The story of a request for a WebSocket: as any other's, until the app agrees. */
export async function join(visitor: Visitor1, talk: Talk, parts: Parts): Promise<void> {
  const trip = new Trip(visitor)
  visitor.onClose(() => parts.note(trip))
  // Whoever asks for another protocol and does not get it, has asked for the last time on this connection.
  visitor.last = true
  const asked = readRequest(visitor, parts.trust())
  if ('why' in asked) return refuse(asked, visitor, trip)
  trip.asked = asked
  const site = parts.find(asked.hostname)
  if (!site) return answerPage(visitor, pages.unknownHost(asked.hostname), asked)
  parts.enter(trip, site)
  const going = { visitor, asked, site, trip }
  const verdict = await passGates(going)
  if (visitor.closed) return
  if (verdict) return tell(verdict, going)
  if (site.route.files !== undefined) return tell({ page: pages.onlyRead }, going)
  // Tries one upstream, and a second when nothing was spent on the first.
  let tried: Place | undefined
  for (;;) {
    const outcome = await once(going, { talk, parts, tried })
    if (outcome === 'done') return
    tried = outcome
  }
}

interface Going {
  readonly visitor: Visitor1
  readonly asked: Asked
  readonly site: Parameters<typeof passGates>[0]['site']
  readonly trip: Trip
}

interface Trying {
  readonly talk: Talk
  readonly parts: Parts
  readonly tried: Place | undefined
}

/** Answers the place where nothing was spent and another may be tried. */
async function once(going: Going, { talk, parts, tried }: Trying): Promise<'done' | Place> {
  const { visitor, asked, trip } = going
  const { socket } = talk
  const site = parts.find(asked.hostname)
  if (!site) {
    answerPage(visitor, pages.unknownHost(asked.hostname), asked)
    return 'done'
  }
  const place = await new Promise<Place | NoPlace>(resolve => {
    parts.places.take({ visitor, asked, site: () => parts.find(asked.hostname), tried }, resolve)
    visitor.onClose(() => resolve('late'))
  })
  if (typeof place === 'string') {
    tell(noPlace(place, asked.hostname), going)
    return 'done'
  }
  const { upstream } = place.lane
  const farewell = farewellTo(socket)
  const done = parts.traffic.begin(upstream, { kind: 'websocket', end: farewell.say })
  trip.upstream = place.lane.name
  trip.release = place.release
  if (tried !== undefined) trip.retries++
  const outcome: Outcome = await upgrade(visitor, asked, {
    ...{ upstream, talk, farewell, trip },
    limits: place.site.limits(parts.limits),
    dress: place.site.dress,
    switched: () => parts.switched(trip),
  }).finally(done)
  parts.places.leave(place, outcome)
  if (outcome === 'answered' || visitor.closed) return 'done'
  if (outcome === 'again' && tried === undefined) return place
  tell({ page: pageOf(outcome) }, going)
  return 'done'
}
