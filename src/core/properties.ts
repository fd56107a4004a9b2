import type { Core } from '../plugin/core.ts'
import type { Rooms } from './rooms.ts'

export function createProperties({ store }: Rooms): Core['properties'] {
  return {
    get: (topic, app, key) => store.properties.get(topic, app, key),
    set: (topic, app, key, value) => store.properties.set(topic, app, key, value),
    inForce: (topic, app, key, fallback) =>
      store.properties.get(topic, app, key) ?? store.properties.get(topic, undefined, key) ?? fallback,
  }
}
