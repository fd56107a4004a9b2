import t from 'tap'

import { newRelease, shop, store } from './fixture.ts'

t.test('a release is numbered within its app and keeps what it was made of', async t => {
  const at = new Date('2026-01-02T03:04:05.678Z')
  const { apps, releases } = store(t, { now: () => at })
  apps.add(shop)
  const added = releases.add(shop, newRelease({ revision: 'c0ffee', config: { A: '1' } }))
  t.match(added, {
    app: 'shop',
    number: 1,
    state: 'pending',
    image: 'sha256:1234',
    revision: 'c0ffee',
    procfile: { web: 'node .' },
    port: 5000,
    createdAt: at,
    liveAt: undefined,
    failure: undefined,
  })
  t.strictSame(releases.find(shop, 1), added)
  t.strictSame(releases.config(added), { A: '1' })
  t.equal(releases.find(shop, 2), undefined)
})

t.test('one release is live, and the one before is superseded', async t => {
  const { apps, releases } = store(t)
  apps.add(shop)
  for (const number of [1, 2]) {
    releases.add(shop, newRelease())
    releases.makeLive(shop, number)
    releases.makeLive(shop, number)
  }
  t.match(releases.live(shop), { number: 2, state: 'live', liveAt: Date })
  t.match(releases.list(shop), [
    { number: 2, state: 'live' },
    { number: 1, state: 'superseded' },
  ])
})

t.test(
  'the previous release is the one that was live before, whatever failed and whatever the clock says',
  async t => {
    let hour = 24
    const { apps, releases } = store(t, { now: () => new Date(--hour * 3600_000) })
    apps.add(shop)
    t.equal(releases.previous(shop), undefined)
    for (let number = 1; number <= 4; number++) releases.add(shop, newRelease())
    releases.makeLive(shop, 1)
    t.equal(releases.previous(shop), undefined)
    releases.fail(shop, 2, 'It did not start.')
    releases.makeLive(shop, 3)
    t.match(releases.previous(shop), { number: 1 })
    releases.makeLive(shop, 4)
    t.match(releases.previous(shop), { number: 3 })
    releases.makeLive(shop, 1)
    t.match(releases.previous(shop), { number: 4 })
  },
)

t.test('a failed release keeps its number and its reason, and is never live', async t => {
  const { apps, releases } = store(t)
  apps.add(shop)
  releases.add(shop, newRelease())
  releases.fail(shop, 1, 'It did not start.')
  releases.fail(shop, 1, 'Told twice.')
  t.match(releases.find(shop, 1), { state: 'failed', failure: 'It did not start.' })
  t.throws(() => releases.makeLive(shop, 1), /failed and cannot be live/)
  t.equal(releases.add(shop, newRelease()).number, 2)
})

t.test('a release that has been live cannot fail any more', async t => {
  const { apps, releases } = store(t)
  apps.add(shop)
  releases.add(shop, newRelease())
  releases.makeLive(shop, 1)
  t.throws(() => releases.fail(shop, 1, 'Too late.'), /has been live/)
  t.match(releases.live(shop), { number: 1 })
})

t.test('a number that was given to an undone transaction is free again', async t => {
  const { apps, releases, transaction } = store(t)
  apps.add(shop)
  const undone = () =>
    transaction(() => {
      releases.add(shop, newRelease())
      throw new Error('no')
    })
  t.throws(undone, { message: 'no' })
  t.equal(releases.add(shop, newRelease()).number, 1)
})

t.test('a release that is not there is not made live', async t => {
  const { apps, releases } = store(t)
  apps.add(shop)
  t.throws(() => releases.makeLive(shop, 7), /no release 7/)
  t.throws(() => releases.fail(shop, 7, ''), /no release 7/)
})
