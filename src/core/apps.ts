import { crashAt } from '../deploy/crash.ts'
import { respread } from '../deploy/deploy.ts'
import { imageTag, removeUntagged } from '../deploy/image.ts'
import { refuseMoved, renaming } from '../deploy/rename.ts'
import { retire } from '../deploy/retire.ts'
import { leaveNetwork } from '../deploy/service.ts'
import { removeSites } from '../deploy/site.ts'
import { appMissing, Cancelled, nameTaken } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { App, AppName, Call } from '../types.ts'
import { cloneApp } from './clone.ts'
import { hostnamesOf, refuseForeign } from './domains.ts'
import { appLabels, containersOf, instanceLabels, ownCall, type Rooms } from './rooms.ts'

export function createApps(rooms: Rooms): Core['apps'] {
  const { store } = rooms
  return {
    find: name => findApp(name, rooms),
    get: name => getApp(name, rooms),
    list: () => store.apps.list().filter(each => !each.retired),
    create: (name, call) => create(name, call, rooms),
    rename: async (name, to, options, call) => rename(getApp(name, rooms), to, { ...options, call }, rooms),
    clone: async (name, to, options, call) => cloneApp(getApp(name, rooms), to, { ...options, call }, rooms),
    lock: name => store.properties.set('apps', name, 'locked', 'true'),
    async unlock(name) {
      store.properties.set('apps', name, 'locked', undefined)
      await rooms.attempts.cancel(name)
    },
    locked: name => store.properties.get('apps', name, 'locked') === 'true' || rooms.queue.busy(name),
    destroy: async (name, call) => destroy(getApp(name, rooms), call, rooms),
  }
}

/** An app being destroyed is not there any more. */
export function findApp(name: string, { store }: Pick<Rooms, 'store'>): App | undefined {
  const app = store.apps.find(name)
  return app?.retired ? undefined : app
}

/** Throws UserError `app-missing`, exit 20. */
export function getApp(name: string, rooms: Pick<Rooms, 'store'>): App {
  const app = findApp(name, rooms)
  if (!app) throw appMissing(name)
  return app
}

async function create(name: AppName, call: Call, rooms: Rooms): Promise<App> {
  const { store, hooks } = rooms
  const app = store.transaction(() => {
    renaming.refuse(name, rooms)
    const made = store.apps.add(name)
    refuseForeign(name, hostnamesOf(name, store), store)
    return made
  })
  try {
    await hooks.beforeCreate({ app }, call)
    await rooms.repositories.ensure(name)
  } catch (error) {
    await rooms.repositories.remove(name)
    store.apps.remove(name)
    throw error
  }
  await rooms.routes
    .refresh(app, call)
    .catch((err: unknown) => rooms.log.warn({ err }, 'the proxy is told when it is back'))
  rooms.events.tell({ kind: 'app-created', app: name, by: call.by.person, text: `${name} was created.` })
  await hooks.afterCreate({ app }, { ...call, signal: rooms.last })
  return app
}

async function rename(
  app: App,
  to: AppName,
  { rollout, call }: { rollout: boolean; call: Call },
  rooms: Rooms,
): Promise<App> {
  const { store, pushes } = rooms
  // Whoever has the name already is not waited for.
  if (findApp(to, rooms)) throw nameTaken()
  const work = async () => {
    refuseMoved(app, rooms)
    const begun = store.transaction(() => {
      renaming.refuse(to, rooms)
      const begun = renaming.begin(app, to, rooms)
      refuseForeign(to, hostnamesOf(to, store), store)
      return begun
    })
    crashAt('rename:recorded', rooms.settings)
    await renaming.finish(begun.step, call, rooms)
    crashAt('rename:done', rooms.settings)
    return begun.app
  }
  // A push that has been decided takes its refs first, where the repository is.
  const renamed = await pushes.exclusive(app.name, `the renaming of ${app.name}`, call, () =>
    renaming.exclusive([app.name, to], call, rooms, work),
  )
  if (rollout) await respread(renamed, { what: 'apps:rename', fresh: () => true }, call, rooms)
  return renamed
}

async function destroy(app: App, call: Call, rooms: Rooms): Promise<void> {
  await rooms.attempts.cancel(app.name)
  await rooms.queue.exclusive(app.name, `the end of ${app.name}`, call, async () => {
    refuseMoved(app, rooms)
    await rooms.hooks.beforeDestroy({ app }, call)
    if (call.signal.aborted) throw new Cancelled('Cancelled; nothing was destroyed.')
    rooms.store.apps.retire(app.name) // From here it only goes forward; reconcile finishes after a kill.
    crashAt('destroy:retired', rooms.settings)
    await destroyRest(app, rooms)
    await mourn(app, call, rooms)
  })
}

/**
 * Takes up an end that was interrupted, unless somebody else is at it. In its turn, so that a new app of the name is never meant.
 */
export async function finishDestroy(retired: App, rooms: Rooms): Promise<void> {
  const call = ownCall(rooms)
  await rooms.queue.exclusive(retired.name, `the end of ${retired.name}`, call, async () => {
    const app = rooms.store.apps.find(retired.name)
    if (app?.id !== retired.id || !app.retired) return
    await destroyRest(app, rooms)
    await mourn(app, call, rooms)
  })
}

async function mourn(app: App, call: Call, rooms: Rooms): Promise<void> {
  rooms.events.tell({
    kind: 'app-destroyed',
    app: app.name,
    by: call.by.person,
    text: `${app.name} was destroyed.`,
  })
  await rooms.hooks.afterDestroy({ app }, { ...call, signal: rooms.last })
}

/** What is left of a retired app: route, containers, network, images, repository, and its rows last. */
async function destroyRest(app: App, rooms: Rooms): Promise<void> {
  const { store, engine } = rooms
  await rooms.routes
    .forget(app.name)
    .catch((err: unknown) => rooms.log.warn({ err }, 'the proxy is told when it is back'))
  const infos = await containersOf(app.name, rooms)
  await Promise.all(infos.map(each => engine.remove(each.name)))
  crashAt('destroy:containers', rooms.settings)
  const network = store.networks.of(app.name)
  if (network) {
    await leaveNetwork(app.name, rooms)
    await engine.removeNetwork(network.name)
  }
  for (const image of await engine.images(instanceLabels(rooms))) {
    for (const tag of image.tags.filter(each => each.startsWith(imageTag(app.name, '', rooms))))
      await engine.removeImage(tag)
  }
  // One whose removal was cut off has lost its tag already.
  await removeUntagged(await engine.images(appLabels(rooms, app.name)), rooms)
  await removeSites(app, rooms)
  crashAt('destroy:images', rooms.settings)
  await rooms.repositories.remove(app.name)
  crashAt('destroy:repository', rooms.settings)
  store.apps.remove(app.name)
}

/** Takes an app's containers away and keeps everything else; its hostnames answer 503. */
export async function stopApp(app: App, call: Call, rooms: Rooms): Promise<void> {
  const { store } = rooms
  await rooms.queue.exclusive(app.name, `ps:stop ${app.name}`, call, async () => {
    refuseMoved(app, rooms)
    await rooms.routes
      .point(app, { containers: [], release: undefined }, call)
      .catch(async (error: unknown) => {
        // The proxy may take it later; it is told that nothing came of it.
        await rooms.routes
          .refresh(app, ownCall(rooms))
          .catch((err: unknown) => rooms.log.warn({ err }, 'the proxy is told when it is back'))
        throw error
      })
    crashAt('stop:pointed', rooms.settings)
    const step = store.transaction(() => {
      store.properties.set('ps', app.name, 'stopped', 'true')
      return retire.begin(
        app,
        store.containers.of(app.name).filter(each => each.state === 'wanted'),
        rooms,
      )
    })
    await rooms.routes.refresh(app, ownCall(rooms))
    crashAt('stop:recorded', rooms.settings)
    rooms.events.tell({
      kind: 'stopped',
      app: app.name,
      by: call.by.person,
      text: `${app.name} was stopped.`,
    })
    if (step) await retire.finish(step, rooms)
  })
}
