import type { Logger } from '../log.ts'
import type { Awaitable } from '../types.ts'
import type { Command } from './command.ts'
import type { Core } from './core.ts'
import type { PluginHooks } from './hooks.ts'

/** A plugin's own values, kept in the store. Values are JSON. */
export interface Kv {
  get<T>(key: string): T | undefined
  set(key: string, value: unknown): void
  remove(key: string): void
  list(): readonly { readonly key: string; readonly value: unknown }[]
}

export interface Context {
  readonly core: Core
  readonly kv: Kv
  /** A folder of the plugin's own, made when it is loaded. */
  readonly dir: string
  /** Carries the plugin's name. */
  readonly log: Logger
  /** Aborts when what is asked is no longer wanted. */
  readonly signal: AbortSignal
}

/** One static object is a whole plugin. */
export interface Plugin {
  /** Lower-case letters, digits and dashes: the name of its folder. */
  readonly name: string
  readonly about: string
  /** The major version of this interface that it was written for. */
  readonly api: 1
  /** Plugins that must be there, and run before it. */
  readonly needs?: readonly string[]
  readonly commands?: readonly Command[]
  readonly hooks?: PluginHooks
  start?(context: Context): Awaitable<void>
  stop?(context: Context): Awaitable<void>
}

export function definePlugin(plugin: Plugin): Plugin {
  return plugin
}
