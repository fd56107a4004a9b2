import t from 'tap'

import { shop, store } from './fixture.ts'

t.test('a property is kept for an app or for the host, and cleared without a value', async t => {
  const { apps, properties } = store(t)
  apps.add(shop)
  properties.set('git', shop, 'deploy-branch', 'main')
  properties.set('git', shop, 'deploy-branch', 'live')
  properties.set('git', undefined, 'deploy-branch', 'master')
  t.equal(properties.get('git', shop, 'deploy-branch'), 'live')
  t.equal(properties.get('git', undefined, 'deploy-branch'), 'master')
  t.equal(properties.get('checks', shop, 'deploy-branch'), undefined)
  properties.set('git', shop, 'deploy-branch', undefined)
  t.equal(properties.get('git', shop, 'deploy-branch'), undefined)
  t.equal(properties.get('git', undefined, 'deploy-branch'), 'master')
})
