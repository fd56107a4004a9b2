import { AsyncLocalStorage } from 'node:async_hooks'

import type { AppName } from '../types.ts'
import { holdingLoop } from './blame.ts'

/** How the code that runs now came to run: whose it is, and what it is part of. */
export interface Trail {
  /** The plugin whose code runs. */
  readonly plugin?: string
  /** What of it: the name of a hook, `job NAME`, `start`. */
  readonly at?: string
  /** The app whose change is under way around it. */
  readonly changing?: AppName
  /** What is to be rolled out when the operation has ended, with the reasons. */
  readonly asked?: Map<AppName, Set<string>>
}

export const trail = new AsyncLocalStorage<Trail>()

/** Runs a plugin's code as its own. */
export function asPlugin<T>(plugin: string, at: string, work: () => T): T {
  return trail.run({ ...trail.getStore(), plugin, at }, () => holdingLoop(plugin, work))
}

/** Runs what is part of a change of the app; it is Davit's own again, whoever asked for it. */
export function asChange<T>(app: AppName, work: () => T): T {
  const { asked } = trail.getStore() ?? {}
  return trail.run({ changing: app, ...(asked ? { asked } : {}) }, work)
}

/** The app whose change a plugin's handler takes part in now. */
export function changeAround():
  | { readonly app: AppName; readonly plugin: string; readonly at: string }
  | undefined {
  const { plugin, at, changing } = trail.getStore() ?? {}
  return plugin === undefined || at === undefined || changing === undefined
    ? undefined
    : { app: changing, plugin, at }
}
