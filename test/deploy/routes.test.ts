import { t } from 'tap'

import { createRoutes } from '../../src/deploy/routes.ts'
import type { Edge } from '../../src/edge/wire.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { blog, calling, shop, workshop } from '../core/workshop.ts'

t.test(
  'an app whose plugins cannot say how it is served stays as the proxy has it, locked or not',
  async t => {
    let broken = true
    const lock: Plugin = {
      ...{ name: 'lock', about: '', api: 1 },
      hooks: {
        shapeRoute(route) {
          if (broken && route.app === shop) throw new Error('not now')
          return { ...route, auth: { realm: 'x', users: {} } }
        },
      },
    }
    const { core, rooms } = workshop(t, { plugins: [lock] })
    broken = false
    for (const app of [shop, blog]) await core.apps.create(app, calling())
    broken = true
    // As after a restart: nothing has been told yet.
    const synced: { routes: readonly string[]; keep: readonly string[] }[] = []
    const edge: Edge = {
      ...rooms.edge,
      sync: async (routes, _certificates, _options, keep = []) => {
        t.ok(routes.every(each => each.auth))
        synced.push({ routes: routes.map(each => each.app), keep })
        return []
      },
    }
    const routes = createRoutes({ ...rooms, edge })
    await routes.syncAll()
    t.same(synced, [{ routes: ['blog'], keep: ['shop'] }])
    await t.rejects(routes.refresh(core.apps.get('shop'), calling()), /not now/)
    await routes.pointBack(core.apps.get('shop'), calling())
    broken = false
    t.same(await routes.refreshAll(calling()), [])
    t.same(synced[1], { routes: ['blog', 'shop'], keep: [] })
  },
)
