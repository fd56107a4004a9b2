import { t } from 'tap'

import { removeUnusedImages } from '../../src/core/service-streams.ts'
import { tiny } from '../docker/tiny.ts'
import { workshop } from './workshop.ts'

t.test('images that plugins built go once no service runs on them, and no others', async t => {
  const { engine, image, instance } = await tiny(t)
  const { rooms } = workshop(t)
  const here = { ...rooms, engine, settings: { ...rooms.settings, instance } }
  const [used, unused] = ['one', 'two'].map(each => `davit-service/${instance}/cache:${each}`) as [
    string,
    string,
  ]
  for (const each of [used, unused]) await engine.tag(image, each)
  const host = 'davit-cache-db'
  const spec = { image: used, ready: ['true'] }
  const service = rooms.store.services.add({ plugin: 'cache', name: 'db', host, subnet: '10.9.0.0/26', spec })
  t.equal(await removeUnusedImages(here), 1)
  t.same([...(await engine.image(image))!.tags].sort(), [used, image].sort())
  rooms.store.services.remove(service)
  t.equal(await removeUnusedImages(here), 1)
  t.same((await engine.image(image))!.tags, [image])
})

t.test('a plugin sees its own services only, and names are checked', async t => {
  const { rooms, core } = workshop(t)
  const spec = { image: 'x', ready: ['true'] }
  const row = { name: 'db', spec, subnet: '10.9.0.0/26', host: 'davit-other-db' }
  const service = rooms.store.services.add({ ...row, plugin: 'other' })
  rooms.store.services.setState(service, 'wanted')
  t.same(core.services.list(), [])
  t.equal(core.services.find('db'), undefined)
  t.throws(() => core.services.get('db'), { code: 'service-missing' })
  const call = {
    by: { person: 'ann', key: '', role: 'admin' },
    signal: new AbortController().signal,
  } as never
  for (const name of ['', '-db', 'a/b', '../x', 'a b', 'x'.repeat(41)])
    await t.rejects(core.services.create(name, spec, call), { code: 'bad-name' })
})
