import type { Kv } from '../plugin/define.ts'
import type { Store } from '../store/store.ts'

/** The values of one plugin. */
export function kvOf(plugin: string, { kv }: Pick<Store, 'kv'>): Kv {
  return {
    get: <T>(key: string) => kv.get(plugin, key) as T | undefined,
    set: (key, value) => kv.set(plugin, key, value),
    remove: key => kv.remove(plugin, key),
    list: () => kv.list(plugin),
  }
}
