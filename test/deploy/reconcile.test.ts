import { EventEmitter, once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

import t, { type Test } from 'tap'

import { createReconciler } from '../../src/deploy/reconcile.ts'
import type { ContainerInfo, Engine } from '../../src/docker/engine.ts'
import { blog, calling, shop, workshop } from '../core/workshop.ts'
import { newContainer, newRelease } from '../store/fixture.ts'

const name = 'davit-shop.web.1.abcd'
const removing: ContainerInfo = {
  id: '1',
  name,
  labels: {},
  state: 'removing',
  exitCode: 137,
  outOfMemory: false,
  restarts: 0,
  addresses: {},
  startedAt: new Date(),
  createdAt: new Date(),
}

t.test('an app is brought back again and again while something else is still being undone', async t => {
  const undoing = Promise.withResolvers<void>()
  const end = Promise.withResolvers<readonly []>()
  const { rooms, started } = await lost(t, {
    images() {
      undoing.resolve()
      return end.promise
    },
    async *events() {
      await undoing.promise
      await started(1)
      yield { kind: 'container', action: 'die', name, labels: {}, exitCode: 137 }
    },
  })
  rooms.store.steps.begin(blog, { kind: 'deploy', phase: 'begun', data: {} })
  rooms.background.run('reconcile', () => createReconciler(rooms).watch())
  t.equal(await soon(started(2)), 2)
  t.equal(rooms.store.steps.list().length, 1)
  end.resolve([])
})

t.test('what the engine did not answer is asked again soon', async t => {
  let times = 0
  const { rooms, started } = await lost(t, {
    images: async () => [],
    containers: async () => {
      if (++times === 1) throw new Error('not yet')
      return []
    },
  })
  rooms.background.run('reconcile', () => createReconciler(rooms).watch())
  t.equal(await soon(started(1)), 1)
})

t.test('an app whose container is removed over and over is back at once each time', async t => {
  const { rooms, started } = await lost(t, {
    images: async () => [],
    inspect: async () => removing,
    async *events() {
      for (let times = 1; times < 6; times++) {
        await started(times)
        yield { kind: 'container', action: 'die', name, labels: {}, exitCode: 137 }
      }
    },
  })
  rooms.background.run('reconcile', () => createReconciler(rooms).watch())
  t.equal(await soon(started(6)), 6)
})

/** Sooner than the round that comes by itself. */
async function soon<T>(promise: Promise<T>): Promise<T | 'late'> {
  return Promise.race([promise, pause(10_000, 'late' as const, { ref: false })])
}

/** An app whose container is gone, beside another one. */
async function lost(t: Test, given: Partial<Engine>) {
  const heard = new EventEmitter()
  let starts = 0
  const started = async (times: number) => {
    while (starts < times) await once(heard, 'start')
    return starts
  }
  const engine: Partial<Engine> = {
    containers: async () => [],
    networks: async () => [],
    inspect: async () => undefined,
    ensureNetwork: async () => undefined,
    create: async () => name,
    async start() {
      starts++
      heard.emit('start')
    },
    setRestart: async () => undefined,
    remove: async () => undefined,
    async *events({ signal }) {
      yield* []
      if (!signal.aborted) await once(signal, 'abort')
    },
    ...given,
  }
  const { core, rooms } = workshop(t, { engine })
  for (const app of [shop, blog]) await core.apps.create(app, calling())
  const { store } = rooms
  store.networks.add({ app: shop, name: 'test-shop', subnet: '10.0.0.0/26' })
  store.releases.add(shop, newRelease())
  store.releases.makeLive(shop, 1)
  store.containers.setState([store.containers.add(shop, newContainer({ name })).id], 'wanted')
  return { rooms, started }
}
