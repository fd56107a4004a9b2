import type http from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'

import { t } from 'tap'

import { openBalance } from '../../src/proxy/balance.ts'
import type { Route } from '../../src/types.ts'
import { ask, backend, dial, routeTo, stage } from './stage.ts'

const upstreams = [1, 2, 3].map(each => ({ host: `10.0.0.${each}`, port: 5000 }))

t.test('of two the less busy is asked, and equals take turns', async t => {
  const balance = openBalance(() => 0)
  const lanes = balance.lanesOf(upstreams)
  const names = Array.from({ length: 6 }, () => balance.choose(lanes, { now: 0 })?.name)
  t.equal(new Set(names).size, 3)
  balance.begin(lanes[0]!)
  balance.begin(lanes[1]!)
  const counts = new Map<string, number>()
  for (let n = 0; n < 30; n++) {
    const { name } = balance.choose(lanes, { now: 0 })!
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  t.ok(counts.get('10.0.0.3:5000')! > 15, JSON.stringify([...counts]))
})

t.test('one that fails again and again is set aside, and comes back slowly', async t => {
  const balance = openBalance(() => 0)
  const lanes = balance.lanesOf(upstreams.slice(0, 2))
  const [one, two] = lanes as [(typeof lanes)[0], (typeof lanes)[0]]
  for (let n = 0; n < 3; n++) {
    balance.begin(one)
    balance.end(one, 'unreachable')
  }
  t.equal(balance.ejections(), 1)
  const now = performance.now()
  for (let n = 0; n < 4; n++) t.equal(balance.choose(lanes, { now }), two)
  t.equal(balance.choose([one], { now }), one, 'the only one there is')
  balance.begin(two)
  // Just back, it seems busier than one with a request; later it does not.
  t.equal(balance.choose(lanes, { now: one.awayUntil + 100 }), two)
  t.equal(balance.choose(lanes, { now: one.awayUntil + 20_000 }), one)
})

t.test(
  'one blip sets an upstream aside once, whatever was under way in it; the next one for longer',
  async t => {
    const balance = openBalance()
    const [lane] = balance.lanesOf(upstreams) as [ReturnType<typeof balance.lanesOf>[0]]
    const blip = (requests: number) => {
      for (let n = 0; n < requests; n++) balance.begin(lane)
      return Array.from({ length: requests }, () => balance.end(lane, 'unreachable')).filter(Boolean).length
    }
    t.equal(blip(50), 1)
    t.equal(lane.awayMs, 1_000)
    lane.awayUntil = performance.now()
    t.equal(blip(50), 1)
    t.equal(lane.awayMs, 2_000)
    t.equal(balance.ejections(), 2)
  },
)

t.test('failures with an answer between them set nobody aside', async t => {
  const balance = openBalance()
  const [lane] = balance.lanesOf(upstreams)
  for (const outcome of ['slow', 'again', 'answered', 'slow', 'unreachable'] as const) {
    balance.begin(lane!)
    balance.end(lane!, outcome)
  }
  t.equal(balance.ejections(), 0)
  t.equal(lane!.outstanding, 0)
})

/** An app that answers each request when told. */
async function holding(t: Parameters<typeof backend>[0], changes: Partial<Route>) {
  const held: http.ServerResponse[] = []
  const app = await backend(t, (_req, res) => held.push(res))
  const box = await stage(t, [{ ...routeTo(app), ...changes }])
  const until = async (count: number) => {
    while (held.length < count) await turn()
  }
  return { ...box, held, until, app }
}

t.test(
  'past what an upstream may have at once requests wait, and past that they are turned away',
  async t => {
    const { ask, held, until, places } = await holding(t, { limits: { perUpstream: 1, queue: 1 } })
    const first = ask('/1')
    await until(1)
    const second = ask('/2')
    while (places.waiting('shop') === 0) await turn()
    t.match(await ask('/3'), { status: 503, headers: { 'retry-after': '1' }, body: /very busy/ })
    held[0]!.end('one')
    await until(2)
    held[1]!.end('two')
    t.match([await first, await second], [{ body: 'one' }, { body: 'two' }])
  },
)

t.test('who waits too long is told so, and who leaves is not waited for', async t => {
  const { ask, port, held, until, places } = await holding(t, { limits: { perUpstream: 1, queueMs: 60 } })
  const first = ask('/1')
  await until(1)
  t.match(await ask('/2'), { status: 504 })
  const leaving = dial(port)
  leaving.socket.write('GET /3 HTTP/1.1\r\nHost: shop.test\r\n\r\n')
  while (places.waiting('shop') === 0) await turn()
  leaving.socket.destroy()
  while (places.waiting('shop') > 0) await turn()
  held[0]!.end('one')
  t.match(await first, { body: 'one' })
  t.equal(held.length, 1)
})

t.test('requests of a paused app wait until it goes on, but those for its health', async t => {
  const app = await backend(t, (req, res) => res.end(req.url))
  const { ask, places, point } = await stage(t, [{ ...routeTo(app), health: '/up' }])
  places.pause('shop', { capMs: 10_000 })
  const waiting = [ask('/1'), ask('/2')]
  while (places.waiting('shop') < 2) await turn()
  t.match(await ask('/up?x'), { body: '/up?x' })
  const other = await backend(t, (req, res) => res.end(`new ${req.url}`))
  point(routeTo(other))
  t.equal(places.waiting('shop'), 2, 'a new route alone does not end the pause')
  places.resume('shop')
  t.same(
    (await Promise.all(waiting)).map(({ body }) => body),
    ['new /1', 'new /2'],
  )
  places.pause('shop', { capMs: 50 })
  t.match(await ask('/3'), { status: 504 })
})

t.test('a sticky client stays with its upstream, and moves when that goes', async t => {
  const apps = await Promise.all(['a', 'b', 'c'].map(name => backend(t, (_req, res) => res.end(name))))
  const { port, point } = await stage(t, [{ ...routeTo(...apps), sticky: true }])
  const first = await ask(port, '/')
  const [cookie] = first.headers['set-cookie']!
  t.match(cookie, /^davit_client=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax$/)
  const headers = { cookie: `other=1; ${cookie!.split(';')[0]}` }
  for (let n = 0; n < 8; n++) {
    const again = await ask(port, '/', { headers })
    t.equal(again.body, first.body)
    t.equal(again.headers['set-cookie'], undefined)
  }
  const left = apps.filter((_, at) => 'abc'[at] !== first.body)
  point({ ...routeTo(...left), sticky: true })
  const moved = await ask(port, '/', { headers })
  t.not(moved.body, first.body)
  for (let n = 0; n < 4; n++) t.equal((await ask(port, '/', { headers })).body, moved.body)
})

t.test('a new release on trial gets its share of clients, each always the same', async t => {
  const old = await backend(t, (_req, res) => res.end('old'))
  const next = await backend(t, (_req, res) => res.end('new'))
  const canary = { percent: 30, release: 8, upstreams: routeTo(next).upstreams }
  const { port, trips } = await stage(t, [{ ...routeTo(old), release: 7, canary }])
  let onTrial = 0
  for (let n = 0; n < 200; n++) {
    const headers = { cookie: `davit_client=${n.toString(16).padStart(16, '0')}` }
    const { body } = await ask(port, '/', { headers })
    if (body === 'new') onTrial++
    if (n % 20 === 0) t.equal((await ask(port, '/', { headers })).body, body)
  }
  t.ok(onTrial > 35 && onTrial < 85, `${onTrial} of 200`)
  t.ok(trips.some(each => each.release === 8) && trips.some(each => each.release === 7))
})

t.test('who waits for an app that has gone meanwhile is told that nothing is there', async t => {
  const app = await backend(t, (_req, res) => res.end('here'))
  const { ask, places, point } = await stage(t, [routeTo(app)])
  places.pause('shop', { capMs: 10_000 })
  const waiting = ask('/')
  while (places.waiting('shop') < 1) await turn()
  point()
  places.resume('shop')
  t.match(await waiting, { status: 404, body: /no app here/ })
})
