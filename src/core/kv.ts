import type { Kept, Kv } from '../plugin/define.ts'
import type { Values } from '../store/kv.ts'
import type { Store } from '../store/store.ts'

/** The values of one plugin. */
export function kvOf(plugin: string, { kv }: Pick<Store, 'kv'>): Kv {
  return { ...keptBy(plugin, kv), of: app => keptBy(plugin, kv.of(app)) }
}

function keptBy(plugin: string, values: Values): Kept {
  return {
    get: <T>(key: string) => values.get(plugin, key) as T | undefined,
    set: (key, value) => values.set(plugin, key, value),
    remove: key => values.remove(plugin, key),
    list: () => values.list(plugin),
  }
}
