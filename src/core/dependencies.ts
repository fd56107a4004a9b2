import { UserError } from '../errors.ts'
import type { App } from '../types.ts'
import type { Cellar } from './rooms.ts'

/** An app is neither released nor led to without a plugin that it depends on. UserError `plugin-off`. */
export function refuseOff(app: App, { store, roster }: Pick<Cellar, 'store' | 'roster'>): void {
  for (const plugin of store.dependencies.of(app.name)) {
    if (roster.members().some(each => each.plugin.name === plugin)) continue
    const why = roster.find(plugin)?.off ?? 'it is not there'
    throw new UserError(
      'plugin-off',
      `${app.name} depends on the plugin ${plugin}, which is off: ${why}.`,
      'The app stays as it is until the plugin is back: plugin:list',
    )
  }
}
