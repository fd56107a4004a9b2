import type { Logger } from '../log.ts'
import type { App, Awaitable, Call } from '../types.ts'
import type { Command } from './command.ts'
import type { Core } from './core.ts'
import type { PluginHooks } from './hooks.ts'
import type { Mount } from './mount.ts'

/** Values under keys, sealed in the store. Values are JSON. */
export interface Kept {
  get<T>(key: string): T | undefined
  set(key: string, value: unknown): void
  remove(key: string): void
  list(): readonly { readonly key: string; readonly value: unknown }[]
}

/** A plugin's own values. */
export interface Kv extends Kept {
  /** Those for one app. They stay with it when it is renamed and go with it when it is destroyed; a clone has them before it is live. */
  of(app: App): Kept
}

/** What everything of a plugin gets. */
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

/** What a job's `run` gets: words go to the log, or to who asked with jobs:run. */
export interface JobContext extends Context, Call {}

/** Something to do by the clock. */
export interface Job {
  /** Unique within its plugin. */
  readonly name: string
  readonly about: string
  /** Five fields of cron, in the host's time: `43 3 * * *`. */
  readonly schedule: string
  /** A run whose time comes while another one is under way is left out, and noted, unless this is said. */
  readonly overlaps?: boolean
  /** One run makes up for those whose time passed while Davit was not running. */
  readonly catchesUp?: boolean
  /** An hour, unless told. */
  readonly timeoutMs?: number
  /** What it throws is noted, in the log, and told as an event; the next run comes all the same. */
  run(context: JobContext): Awaitable<void>
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
  /** A function where they depend on what the plugin keeps; `core.jobs.changed` has it asked again. */
  readonly jobs?: readonly Job[] | ((context: Context) => readonly Job[])
  readonly mounts?: readonly Mount[]
  start?(context: Context): Awaitable<void>
  stop?(context: Context): Awaitable<void>
}

/** The default export of a plugin's index.ts. Answers what it is given; the types are checked. */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin
}
