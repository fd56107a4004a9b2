import type { App, AppName, Call, Env, ServiceSpec } from '../types.ts'
import type { AppLogLine, RunIo } from './terms.ts'

/**
 * What a plugin runs for apps, a database say: a container of its own, kept running through restarts of the daemon, the engine and the
 * host, with folders that stay. Each plugin sees its own services only, by the names that people give. Nothing but `destroy` takes one
 * away, or its data. While a plugin has services it cannot be uninstalled; while it is off they go on.
 *
 * Whoever is cut off half way leaves nothing half: a service that was being made is taken away, a change is undone, an end is brought to
 * its end, a link is there or is not.
 */
export interface PluginServices {
  /**
   * An image of the plugin's own, built unless it is there. The Dockerfile stands on a stack of this host, `FROM davit/stack-base`; `files`
   * lie beside it. Answers a reference for specs. UserError `stack-missing`; BuildError.
   */
  image(recipe: Recipe, call: Call): Promise<string>
  /** All that the plugin runs, by name. */
  list(): readonly ServiceFacts[]
  /** One of them, if it is there. */
  find(name: string): ServiceFacts | undefined
  /** One of them. UserError `service-missing`. */
  get(name: string): ServiceFacts
  /** As it was recorded, with its secrets. */
  spec(name: string): ServiceSpec
  /** Settles when it can be used. UserErrors `name-taken`, `image-missing`, `service-ended`, `service-not-ready`, Cancelled: then nothing is left. */
  create(name: string, spec: ServiceSpec, call: Call): Promise<ServiceFacts>
  /**
   * Another container in place of the one there is, on the same folders: a new image, other limits. What does not become ready gives its
   * place back. One that is stopped is changed when it starts.
   */
  change(name: string, spec: ServiceSpec, call: Call): Promise<void>
  /** Settles when it can be used. Running already is fine. */
  start(name: string, call: Call): Promise<void>
  /** It stays so until `start`. */
  stop(name: string, call: Call): Promise<void>
  /** Stopped and started, with its folders. */
  restart(name: string, call: Call): Promise<void>
  /** With all its data. UserError `service-linked`, which names the apps. */
  destroy(name: string, call: Call): Promise<void>
  /** What the engine says of it now. */
  status(name: string): Promise<ServiceStatus>
  /** A command in its container: dumps and restores too, as streams. Answers the exit code. UserError `service-stopped`. */
  exec(name: string, words: readonly string[], io: RunIo): Promise<number>
  /**
   * A command in a container of the service's image beside it, for a moment, with its folders and environment and without a network:
   * for what cannot be done while it runs. Who may not write at once stops it first.
   */
  run(name: string, words: readonly string[], io: RunIo): Promise<number>
  /** With `follow` on, through restarts, until the signal or the service's end. */
  logs(name: string, options: ServiceLogsOptions): AsyncIterable<AppLogLine>
  /**
   * The app reaches the service by its `host`, and is given these values as with `config.provide`; the link and the values come and go
   * together. Again with other values changes them. New containers of the app come as with `redeploy`, unless `restart` is false. UserErrors
   * as of `provide`.
   */
  link(name: string, app: AppName, values: Env, options: LinkOptions, call: Call): Promise<void>
  /** Containers of the app that were started before reach it until they end. UserError `not-linked`. */
  unlink(name: string, app: AppName, options: LinkOptions, call: Call): Promise<void>
}

/** What an image is made of. */
export interface Recipe {
  readonly dockerfile: string
  /** Name to content. */
  readonly files?: Readonly<Record<string, string>>
}

/** A service as its plugin sees it. */
export interface ServiceFacts {
  readonly name: string
  /** What linked apps find it by. */
  readonly host: string
  /** Of its own network, where the host itself reaches it. */
  readonly address: string
  /** On the host; its volumes lie in it. */
  readonly folder: string
  readonly image: string
  /** By a person, until it is started. */
  readonly stopped: boolean
  readonly createdAt: Date
  /** The apps that reach it, with the config keys that each was given. */
  readonly links: readonly { readonly app: App; readonly keys: readonly string[] }[]
}

/** What the engine says of a service. */
export interface ServiceStatus {
  readonly running: boolean
  /** `running`, `exited with 1`… */
  readonly says: string
  /** The engine's id of its container. */
  readonly id: string | undefined
  readonly startedAt: Date | undefined
}

/** Which lines; with `follow` on until the signal. */
export interface ServiceLogsOptions {
  readonly tail: number
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** How an app is told of a link, or of its end. */
export interface LinkOptions {
  /** What is listed as the reason, `postgres:link db`. */
  readonly reason: string
  /** False: in force with the app's next containers. */
  readonly restart: boolean
}
