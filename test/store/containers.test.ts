import t from 'tap'

import type { Store } from '../../src/store/store.ts'
import { newContainer, newRelease, shop, spec, store } from './fixture.ts'

function withRelease({ apps, releases }: Store) {
  apps.add(shop)
  releases.add(shop, newRelease())
}

t.test('a container is recorded as starting, with its sealed spec', async t => {
  const opened = store(t)
  withRelease(opened)
  const added = opened.containers.add(shop, newContainer())
  const { hash, spec: _, ...rest } = newContainer()
  t.strictSame(added, { ...rest, id: added.id, app: 'shop', spec: hash, state: 'starting' })
  t.strictSame(opened.containers.spec(added), spec)
  t.strictSame(opened.containers.of(shop), [added])
})

t.test('states change together', async t => {
  const opened = store(t)
  withRelease(opened)
  const { containers } = opened
  const ids = [3, 1, 2].map(
    index => containers.add(shop, newContainer({ index, name: `c${index}`, address: `10.0.0.${index}` })).id,
  )
  containers.setState(ids.slice(1), 'wanted')
  t.match(containers.list(), [
    { index: 1, state: 'wanted' },
    { index: 2, state: 'wanted' },
    { index: 3, state: 'starting' },
  ])
})

t.test('two containers never share a name or an address, and none is without its release', async t => {
  const opened = store(t)
  withRelease(opened)
  const { containers } = opened
  containers.add(shop, newContainer())
  t.throws(() => containers.add(shop, newContainer({ address: '10.0.0.3' })), /UNIQUE/)
  t.throws(() => containers.add(shop, newContainer({ name: 'other' })), /UNIQUE/)
  t.throws(
    () => containers.add(shop, newContainer({ name: 'other', address: '10.0.0.3', release: 2 })),
    /FOREIGN/,
  )
  t.equal(containers.list().length, 1)
})

t.test('a container that is gone has no spec', async t => {
  const opened = store(t)
  withRelease(opened)
  const added = opened.containers.add(shop, newContainer())
  opened.containers.remove(added.id)
  opened.containers.remove(added.id)
  t.throws(() => opened.containers.spec(added), /not recorded any more/)
})
