import { portsSet } from '../core/port-map.ts'
import type { Rooms } from '../core/rooms.ts'
import type { App, Container, Step } from '../types.ts'
import { crashAt } from './crash.ts'
import { stopTimeout } from './spec.ts'

/** Taking old containers away as a recorded step: drain, stop with their own timeout, remove. Finishes after a restart too. */
export const retire = {
  /** Within the transaction that stops wanting them. Nothing to take away: no step. */
  begin(app: App, containers: readonly Container[], { store }: Rooms): Step | undefined {
    if (containers.length === 0) return undefined
    store.containers.setState(
      containers.map(each => each.id),
      'retiring',
    )
    return store.steps.begin(app.name, {
      kind: 'retire',
      phase: 'draining',
      data: { ids: containers.map(each => each.id) },
    })
  },

  /** Whatever of it was done before is passed over. */
  async finish(step: Step, rooms: Rooms): Promise<void> {
    const { store, engine } = rooms
    const ids = step.data.ids as readonly number[]
    const containers = store.containers.of(step.app).filter(each => ids.includes(each.id))
    await drain(containers, rooms)
    crashAt('retire:drained', rooms.settings)
    await Promise.all(
      containers.map(async container => {
        await engine.setRestart(container.name, false)
        await engine.stop(container.name, { seconds: timeoutOf(container, rooms) })
        crashAt('retire:stopped', rooms.settings)
        await engine.remove(container.name)
        crashAt('retire:removed', rooms.settings)
        store.containers.remove(container.id)
      }),
    )
    store.steps.done(step)
  },
}

function timeoutOf(container: Container, rooms: Rooms): number {
  const app = rooms.store.apps.find(container.app)
  return app ? stopTimeout(app, rooms) : 30
}

/** Lets requests end that the containers have, for as long as people set, and no longer than `mostMs`. */
export async function drain(
  containers: readonly Container[],
  { store, edge, log }: Rooms,
  { mostMs = Infinity }: { mostMs?: number } = {},
): Promise<void> {
  const [first] = containers
  if (!first) return
  const { app } = first
  const others = (portsSet(app, store) ?? []).map(each => each.container)
  const web = containers
    .filter(each => each.process === 'web')
    .flatMap(each => [...new Set([each.port, ...others])].map(port => `${each.address}:${port}`))
  if (web.length === 0) return
  const set = (key: string) =>
    store.properties.get('checks', app, key) ?? store.properties.get('checks', undefined, key)
  const requests = set('wait-to-retire') ?? '30'
  const time = {
    timeoutMs: Math.min(Number(requests) * 1000, mostMs),
    websocketMs: Math.min(Number(set('websocket-wait') ?? requests) * 1000, mostMs),
  }
  const ended = await edge.drain(web, time).catch((err: unknown) => {
    log.warn({ err }, 'the proxy did not drain; the containers end all the same')
    return 0
  })
  if (ended > 0) log.info({ ended, upstreams: web }, 'requests were ended when the drain limit was reached')
}
