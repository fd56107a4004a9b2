import { refuseOff } from '../core/dependencies.ts'
import { hostnamesOf } from '../core/domains.ts'
import { portsOf } from '../core/port-map.ts'
import { isOffProxy, optionsOf, settingsOf } from '../core/proxy-settings.ts'
import type { Cellar } from '../core/rooms.ts'
import { ownCall } from '../core/rooms.ts'
import { routeOf } from '../edge/route.ts'
import { tellWaiting } from '../edge/waiting.ts'
import { messageOf, UserError } from '../errors.ts'
import type { Member } from '../plugin/driver.ts'
import type { App, AppName, Call, Container, Release, Route } from '../types.ts'
import { type Certificates, createCertificates } from './certificates.ts'
import { isStopped } from './deploy.ts'
import { mountsOf } from './mounts.ts'
import { siteIn, sitePath } from './site.ts'

/** The table as the daemon last told it to the proxy. One app's routes are told one after another. */
export interface Routes {
  /** Leads the app's domains to the web processes among these containers, or to the release's files, in every worker, before it answers. */
  point(app: App, to: Aim, call: Call): Promise<void>
  /** To where the app leads already, with a new release for a share of its clients beside it. */
  tryOut(app: App, trial: Trial, call: Call): Promise<void>
  /** The app's domains as they are now, to where they lead already: a change under way keeps its say over containers. */
  refresh(app: App, call: Call): Promise<readonly number[]>
  /** Every app's, and what counts for the whole instance, at once. Answers why some are as they were. */
  refreshAll(call: Call): Promise<readonly string[]>
  /** The route as it would be told now. */
  shaped(app: App, call: Call): Promise<Route>
  /** To the live release and the wanted containers, even where a plugin that shapes routes fails: takes a pointing back. */
  pointBack(app: App, call: Call): Promise<void>
  forget(app: AppName): Promise<void>
  /** The whole table, as at the daemon's start. */
  syncAll(): Promise<void>
  /** Plugins have come or gone: routes with what they answer in place of apps are told anew, in the background. */
  follow(members: readonly Member[]): void
  /** What is shown over HTTPS for the app's hostnames, as last told. */
  certificates: Certificates['of']
}

export interface Aim {
  readonly containers: readonly Container[]
  /** None: the app has been stopped. */
  readonly release: Release | undefined
  /** A new release that a share of the clients sees. */
  readonly trial?: Trial
}

export interface Trial {
  readonly percent: number
  readonly release: Release
  readonly containers: readonly Container[]
}

interface Told {
  readonly aim: Aim
  readonly route: Route
}

export function createRoutes(cellar: Cellar): Routes {
  const told = new Map<AppName, Told>()
  /** Apps whose routes could not be found out since the start: the proxy goes on with what it was told before. */
  const unknown = new Set<AppName>()
  const inTurn = createTurns()
  const certificates = createCertificates(cellar)

  // The certificate first: a hostname that has one is led to https at once.
  const tell = async (app: App, { aim, route }: Told, call: Call) => {
    told.set(app.name, { aim, route })
    unknown.delete(app.name)
    await certificates.tell(app, call)
    const closed = await tellWaiting(cellar.edge.point(route), { edge: cellar.edge, out: call.out })
    if (closed.length > 0)
      cellar.log.error({ app: app.name, closed }, 'ports of the host are taken by another program')
    return closed
  }
  const shaped = async (app: App, aim: Aim, call: Call): Promise<Told> => {
    // Nobody gets past a stopped app's 503, whatever a plugin would have added.
    if (aim.release) refuseOff(app, cellar)
    return {
      aim,
      route: sound(await cellar.hooks.shapeRoute(plainRoute(app, aim, cellar), { app }, call)),
    }
  }
  const asBefore = (app: App, aim: Aim): Told | undefined => {
    const known = told.get(app.name)
    if (!known) return undefined
    const { files: _, canary: __, release: ___, ...before } = known.route
    return { aim, route: { ...before, ...plainRoute(app, aim, cellar) } }
  }

  const sync = async () => {
    const routes = [...told.values()].map(each => each.route)
    const refused = await cellar.edge.sync(routes, certificates.all(), optionsOf(cellar.store), [...unknown])
    for (const why of refused) cellar.log.error(`the proxy did not take everything: ${why}`)
  }
  let complete = false
  let mounts = ''
  const tellFailed = (failed: unknown) => {
    if (!Array.isArray(failed) || failed.length > 0)
      cellar.log.error({ failed }, 'routes were not told with what plugins answer')
  }
  cellar.edge.onConnect(() => {
    // A proxy that is there before us goes on with what it was told last, until we know all of it.
    if (!complete) return
    sync().catch((err: unknown) => cellar.log.warn({ err }, 'the proxy did not take the table'))
  })

  const whole: Routes = {
    point: (app, aim, call) =>
      inTurn(app.name, async () => void (await tell(app, await shaped(app, aim, call), call))),
    tryOut: (app, trial, call) =>
      inTurn(
        app.name,
        async () => void (await tell(app, await shaped(app, { ...wanted(app, cellar), trial }, call), call)),
      ),
    refresh: (app, call) =>
      inTurn(app.name, async () =>
        tell(app, await shaped(app, told.get(app.name)?.aim ?? wanted(app, cellar), call), call),
      ),
    async refreshAll(call) {
      const failed: string[] = []
      for (const app of cellar.store.apps.list().filter(each => !each.retired)) {
        await inTurn(app.name, async () => {
          const aim = told.get(app.name)?.aim ?? wanted(app, cellar)
          told.set(app.name, await shaped(app, aim, call))
          unknown.delete(app.name)
          await certificates.look(app, call)
        }).catch((error: unknown) => failed.push(`${app.name}: ${messageOf(error)}`))
      }
      await sync()
      return failed
    },
    shaped: async (app, call) =>
      (await shaped(app, told.get(app.name)?.aim ?? wanted(app, cellar), call)).route,
    pointBack: (app, call) =>
      inTurn(app.name, async () => {
        const aim = wanted(app, cellar)
        const route = await shaped(app, aim, call).catch((err: unknown) => {
          cellar.log.error({ err, app: app.name }, 'a route is taken back without asking its plugins')
          return asBefore(app, aim)
        })
        if (route) await tell(app, route, call)
      }),
    forget: app =>
      inTurn(app, async () => {
        told.delete(app)
        unknown.delete(app)
        await cellar.edge.forget(app)
        await certificates.forget(app)
      }),
    async syncAll() {
      const call = ownCall(cellar)
      for (const app of cellar.store.apps.list().filter(each => !each.retired)) {
        // Without what a plugin adds, an app might stand open that ought to be locked.
        const route = await shaped(app, wanted(app, cellar), call).catch((err: unknown) => {
          cellar.log.error({ err, app: app.name }, 'a route stays as the proxy has it')
          return undefined
        })
        if (route) told.set(app.name, route)
        else unknown.add(app.name)
        await certificates.look(app, call)
      }
      complete = true
      await sync()
    },
    follow(members) {
      const now = members.flatMap(each =>
        (each.plugin.mounts ?? []).map(({ path }) => `${each.plugin.name} ${path}`),
      )
      if (now.join('\n') === mounts) return
      mounts = now.join('\n')
      if (complete) whole.refreshAll(ownCall(cellar)).then(tellFailed, tellFailed)
    },
    certificates: certificates.of,
  }
  return whole
}

/** As the proxy will read it: one that it cannot take would cost every app its connection to the proxy. */
function sound(route: Route): Route {
  try {
    return routeOf(route)
  } catch (error) {
    throw new UserError(
      'bad-route',
      `The proxy cannot take the route of ${route.app}: ${messageOf(error)}.`,
      'A plugin has shaped it so.',
      { cause: error },
    )
  }
}

/** Work on one app begins when the one before has settled. */
function createTurns() {
  const last = new Map<AppName, Promise<unknown>>()
  return <T>(app: AppName, work: () => Promise<T>): Promise<T> => {
    const mine = (last.get(app) ?? Promise.resolve()).then(work)
    const settled = mine.catch(() => undefined)
    last.set(app, settled)
    void settled.then(() => last.get(app) === settled && last.delete(app))
    return mine
  }
}

function wanted(app: App, cellar: Cellar): Aim {
  const { store } = cellar
  return {
    containers: store.containers.of(app.name).filter(each => each.state === 'wanted'),
    release: isStopped(app, cellar) ? undefined : store.releases.live(app.name),
  }
}

function plainRoute(app: App, { containers, release, trial }: Aim, cellar: Cellar): Route {
  const site = release && siteIn(release.image)
  const { reached, ...ports } = portsOf(app.name, webOf(containers), cellar.store)
  const isReached = reached && !isOffProxy(app.name, cellar.store)
  const hostnames = isReached ? hostnamesOf(app.name, cellar.store) : []
  return {
    ...settingsOf(app.name, cellar.store),
    ...mountsOf(app, cellar),
    ...ports,
    app: app.name,
    domains: Object.fromEntries(hostnames.map(each => [each, true as const])),
    upstreams: upstreamsOf(containers),
    ...(release === undefined ? {} : { release: release.number }),
    ...(site === undefined ? {} : { files: sitePath(app, site, cellar) }),
    ...(trial === undefined
      ? {}
      : {
          canary: {
            percent: trial.percent,
            release: trial.release.number,
            upstreams: upstreamsOf(trial.containers),
          },
        }),
  }
}

function upstreamsOf(containers: readonly Container[]): Route['upstreams'] {
  return Object.fromEntries(
    webOf(containers).map(each => [each.name, { host: each.address, port: each.port }]),
  )
}

function webOf(containers: readonly Container[]): readonly Container[] {
  return containers.filter(each => each.process === 'web')
}
