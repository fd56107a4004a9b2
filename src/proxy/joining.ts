import type { Outcome } from './carry.ts'
import { farewellTo } from './farewell.ts'
import { answerPage, pages } from './pages.ts'
import type { NoPlace, Place } from './places.ts'
import { type Going, noPlace, type Parts, pageOf, passGates, receive, tell } from './serve.ts'
import type { Talk } from './talk.ts'
import type { Visitor1 } from './visitor1.ts'
import { upgrade } from './websocket.ts'

/** The story of a request for a WebSocket: as any other's, until the app agrees. */
export async function join(visitor: Visitor1, talk: Talk, parts: Parts): Promise<void> {
  // Whoever asks for another protocol and does not get it, has asked for the last time on this connection.
  visitor.last = true
  const going = receive(visitor, parts)
  if (going === undefined) return
  const verdict = await passGates(going)
  if (visitor.closed) return
  if (verdict) return tell(verdict, going)
  if (going.site.route.files !== undefined) return tell({ page: pages.onlyRead }, going)
  // Tries one upstream, and a second when nothing was spent on the first.
  let tried: Place | undefined
  for (;;) {
    const outcome = await once(going, { talk, parts, tried })
    if (outcome === 'done') return
    tried = outcome
  }
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
