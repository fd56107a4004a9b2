import type { AppName } from '../types.ts'
import type { Ground } from './ground.ts'

/** Which plugins an app cannot do without, by plugin name. */
export interface Dependencies {
  of(app: AppName): readonly string[]
  /** The apps that need the plugin. */
  on(plugin: string): readonly AppName[]
  /** Once is enough. */
  add(app: AppName, plugin: string): void
  remove(app: AppName, plugin: string): void
}

export function openDependencies({ prepare, findApp, getApp }: Ground): Dependencies {
  const of = prepare<[number], { plugin: string }>(
    'SELECT plugin FROM dependencies WHERE app = ? ORDER BY plugin',
  )
  const on = prepare<[string], { name: AppName }>(
    'SELECT name FROM dependencies JOIN apps ON apps.id = app WHERE plugin = ? ORDER BY name',
  )
  const add = prepare<[number, string]>('INSERT OR IGNORE INTO dependencies (app, plugin) VALUES (?, ?)')
  const remove = prepare<[number, string]>('DELETE FROM dependencies WHERE app = ? AND plugin = ?')
  return {
    of(app) {
      const at = findApp(app)
      return at === null ? [] : of.all(at).map(each => each.plugin)
    },
    on: plugin => on.all(plugin).map(each => each.name),
    add: (app, plugin) => void add.run(getApp(app), plugin),
    remove: (app, plugin) => void remove.run(getApp(app), plugin),
  }
}
