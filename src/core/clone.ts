import { adopt } from '../deploy/adopt.ts'
import { crashAt } from '../deploy/crash.ts'
import { exclusive } from '../deploy/exclusive.ts'
import { refuseMoved, renaming } from '../deploy/rename.ts'
import { Cancelled } from '../errors.ts'
import type { App, AppName, Call, Step } from '../types.ts'
import { finishDestroy } from './apps.ts'
import { hostnamesOf, refuseForeign } from './domains.ts'
import { mappingText, ownPorts, portsSet } from './port-map.ts'
import type { Rooms } from './rooms.ts'

interface Clone {
  readonly app: App
  readonly from: App
  /** Recorded until the clone is whole. */
  readonly step: Step
  readonly rollout: boolean
}

/**
 * A new app with the config, formation, settings, repository and live release of another; hostnames stay with that one, which is not
 * changed meanwhile. Whole or not at all: one that fails, is cancelled or is cut off goes again.
 */
export async function cloneApp(
  from: App,
  to: AppName,
  { rollout, call }: { rollout: boolean; call: Call },
  rooms: Rooms,
): Promise<App> {
  return rooms.queue.exclusive(from.name, `the cloning of ${from.name}`, call, async () => {
    refuseMoved(from, rooms)
    const { app, step } = rooms.store.transaction(() => begin(from, to, rooms))
    const attempt = { kind: 'deploy', what: 'apps:clone' } as const
    await exclusive({ app, attempt, call }, rooms, call =>
      fill({ app, from, step, rollout }, call, rooms),
    ).catch(async error => {
      await drop(step, call, rooms)
      throw error
    })
    return app
  })
}

/** Within a transaction: the app with its rows. UserErrors `name-taken`, `domain-taken`. */
function begin(from: App, to: AppName, rooms: Rooms): { app: App; step: Step } {
  const { store } = rooms
  renaming.refuse(to, rooms)
  const app = store.apps.add(to)
  refuseForeign(to, hostnamesOf(to, store), store)
  const own = store.config.list(from.name).filter(each => each.owner === '')
  store.config.change(to, { set: Object.fromEntries(own.map(({ key, value }) => [key, value])) })
  store.formation.set(to, store.formation.of(from.name))
  for (const { topic, key, value } of store.properties.of(from.name))
    if (!stays.has(`${topic} ${key}`) && topic !== 'domains') store.properties.set(topic, to, key, value)
  // What protects the one protects the other, and without the plugin neither of them is open.
  store.kv.copy(from, app)
  for (const plugin of store.dependencies.of(from.name)) store.dependencies.add(to, plugin)
  // A port of the host leads to one app.
  const ports = portsSet(from.name, store)?.filter(each => ownPorts.has(each.host)) ?? []
  if (ports.length > 0) store.properties.set('ports', to, 'map', ports.map(mappingText).join(' '))
  const step = store.steps.begin(to, { kind: 'clone', phase: 'begun', data: { from: from.name } })
  return { app, step }
}

/** How the other one is at the moment, and not how it was made to be. */
const stays = new Set(['apps locked', 'ps stopped', 'ports map'])

async function fill({ app, from, step, rollout }: Clone, call: Call, rooms: Rooms): Promise<void> {
  const { store, hooks } = rooms
  crashAt('clone:recorded', rooms.settings)
  await hooks.beforeCreate({ app }, call)
  await rooms.repositories.copy(from.name, app.name, { signal: call.signal })
  crashAt('clone:copied', rooms.settings)
  if (call.signal.aborted) throw new Cancelled('Cancelled; nothing was cloned.')
  await hooks.afterCreate({ app }, { ...call, signal: rooms.last })
  const text = `${app.name} was made like ${from.name}.`
  const told = { kind: 'app-cloned', app: app.name, text, data: { from: from.name } } as const
  rooms.events.tell({ ...told, by: call.by.person })
  await hooks.afterClone({ app, from }, { ...call, signal: rooms.last })
  const onLive = () => store.steps.done(step)
  const release = rollout ? store.releases.live(from.name) : undefined
  if (release) return adopt(app, { from, release, onLive }, call, rooms)
  onLive()
  await rooms.routes
    .refresh(app, call)
    .catch((err: unknown) => rooms.log.warn({ err }, 'the proxy is told when it is back'))
}

/** What was not whole goes as an app that is destroyed; where that does not end now, reconcile takes it up. */
async function drop(step: Step, { out }: Call, rooms: Rooms): Promise<void> {
  const dropped = dropHalf(step, rooms)
  if (!dropped) return
  out.detail(`${dropped.name} is taken away again`)
  await finishDestroy(dropped, rooms).catch((err: unknown) =>
    rooms.log.warn({ err, app: dropped.name }, 'a clone that was not whole goes later'),
  )
}

/** Makes a clone that is not whole one that is being destroyed; undefined where it is whole, or gone. */
export function dropHalf(step: Step, { store }: Pick<Rooms, 'store'>): App | undefined {
  return store.transaction(() => {
    if (!store.steps.list().some(each => each.id === step.id)) return undefined
    store.apps.retire(step.app)
    store.steps.done(step)
    return store.apps.find(step.app)
  })
}
