import { hostnamesOf } from '../core/domains.ts'
import type { Cellar } from '../core/rooms.ts'
import { ownCall } from '../core/rooms.ts'
import type { App, AppName, Call, Container, Release, Route } from '../types.ts'
import { isStopped } from './deploy.ts'
import { siteIn, sitePath } from './site.ts'

/** The table as the daemon last told it to the proxy. */
export interface Routes {
  /** Leads the app's domains to the web processes among these containers, or to the release's files, in every worker, before it answers. */
  point(app: App, to: Aim, call: Call): Promise<void>
  /** The same with the live release and the wanted containers: after a change of domains, or to take a pointing back. */
  refresh(app: App, call: Call): Promise<void>
  forget(app: AppName): Promise<void>
  /** The whole table, as at the daemon's start. */
  syncAll(): Promise<void>
}

export interface Aim {
  readonly containers: readonly Container[]
  /** None: the app has been stopped. */
  readonly release: Release | undefined
}

export function createRoutes(cellar: Cellar): Routes {
  const told = new Map<string, Route>()
  const routes: Routes = {
    async point(app, to, call) {
      const route = await routeTo(app, to, { call, cellar })
      told.set(app.name, route)
      await cellar.edge.point(route)
    },
    refresh: (app, call) => routes.point(app, wanted(app, cellar), call),
    async forget(app) {
      told.delete(app)
      await cellar.edge.forget(app)
    },
    async syncAll() {
      const call = ownCall(cellar)
      for (const app of cellar.store.apps.list().filter(each => !each.retired))
        told.set(app.name, await routeTo(app, wanted(app, cellar), { call, cellar }))
      await cellar.edge.sync([...told.values()])
    },
  }
  cellar.edge.onConnect(() => {
    cellar.edge
      .sync([...told.values()])
      .catch((err: unknown) => cellar.log.warn({ err }, 'the proxy did not take the table'))
  })
  return routes
}

function wanted(app: App, cellar: Cellar): Aim {
  const { store } = cellar
  return {
    containers: store.containers.of(app.name).filter(each => each.state === 'wanted'),
    release: isStopped(app, cellar) ? undefined : store.releases.live(app.name),
  }
}

async function routeTo(
  app: App,
  { containers, release }: Aim,
  { call, cellar }: { call: Call; cellar: Cellar },
): Promise<Route> {
  const site = release && siteIn(release.image)
  const web = containers.filter(each => each.process === 'web')
  const route: Route = {
    app: app.name,
    domains: Object.fromEntries(hostnamesOf(app.name, cellar.store).map(each => [each, true as const])),
    upstreams: Object.fromEntries(web.map(each => [each.name, { host: each.address, port: each.port }])),
    ...(site === undefined ? {} : { files: sitePath(app, site, cellar) }),
  }
  return cellar.hooks.shapeRoute(route, { app }, call)
}
