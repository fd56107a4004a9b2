import { t } from 'tap'

import { createRoutes } from '../../src/deploy/routes.ts'
import type { Route } from '../../src/types.ts'
import { calling, shop, workshop } from '../core/workshop.ts'

t.test('a proxy is told no table before all of it is known, and then at every connection', async t => {
  const { core, rooms } = workshop(t)
  await core.apps.create(shop, calling())
  const tables: string[][] = []
  let connect = () => {}
  const edge = {
    ...rooms.edge,
    onConnect: (listener: () => void) => {
      connect = listener
    },
    sync: async (routes: readonly Route[]) => {
      tables.push(routes.map(route => route.app))
      return []
    },
  }
  const routes = createRoutes({ ...rooms, edge })
  connect()
  t.same(tables, [])
  await routes.syncAll()
  connect()
  t.same(tables, [['shop'], ['shop']])
})
