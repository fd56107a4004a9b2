import type { Core } from '../plugin/core.ts'
import type { Rooms } from './rooms.ts'

export function createProperties({ store }: Rooms): Core['properties'] {
  return {
    get: (topic, app, key) => store.properties.get(topic, app, key),
    set: (topic, app, key, value) => store.properties.set(topic, app, key, value),
    of: (topic, app) =>
      store.properties
        .of(app)
        .filter(each => each.topic === topic)
        .map(({ key, value }) => ({ key, value }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
    inForce: (topic, app, key, fallback) =>
      store.properties.get(topic, app, key) ?? store.properties.get(topic, undefined, key) ?? fallback,
  }
}
