import type { Readable } from 'node:stream'

import type {
  App,
  AppMetrics,
  AppName,
  Attempt,
  Call,
  Container,
  Env,
  Formation,
  Key,
  PortMapping,
  Release,
  Route,
} from '../types.ts'
import type { Catalogue } from './catalogue.ts'
import type { PluginCore } from './plugin-core.ts'
import type {
  AppLogLine,
  CertificateFacts,
  LogsOptions,
  RunIo,
  TrafficForm,
  TrafficOptions,
  Upkeep,
  Work,
} from './terms.ts'

export type {
  AppLogLine,
  CertificateFacts,
  JobInfo,
  LogsOptions,
  RunIo,
  TrafficForm,
  TrafficOptions,
  Upkeep,
  Work,
} from './terms.ts'

/** What a plugin, and every command, may ask of Davit. `call` says who asks and hears what is said. */
export interface Core extends PluginCore {
  readonly version: string
  /** What git pushes an app to; HOST stands for the name that the person reaches this host by. */
  remote(app: string): string
  readonly apps: {
    find(name: string): App | undefined
    /** UserError `app-missing`, exit 20. */
    get(name: string): App
    list(): readonly App[]
    create(name: AppName, call: Call): Promise<App>
    destroy(name: AppName, call: Call): Promise<void>
    /** UserError `name-taken`, `domain-taken`. New containers carry the new name, unless `rollout` is false. */
    rename(name: AppName, to: AppName, options: { readonly rollout: boolean }, call: Call): Promise<App>
    /**
     * A new app with the config, formation, settings and repository of another, live with what is live there unless `rollout` is false.
     * Hostnames, certificates and what plugins provide stay where they are. UserError `name-taken`, `domain-taken`.
     */
    clone(name: AppName, to: AppName, options: { readonly rollout: boolean }, call: Call): Promise<App>
    /** A locked app is not deployed by pushes. */
    lock(name: AppName): void
    /** Opens it again, and ends a change that is under way and not live yet. */
    unlock(name: AppName): Promise<void>
    /** Locked by a person, or by a change under way. */
    locked(name: AppName): boolean
  }
  readonly config: {
    /** What is set or provided at this place, with its owner (empty: a person). Undefined: the host's. */
    list(
      app: AppName | undefined,
    ): readonly { readonly key: string; readonly value: string; readonly owner: string }[]
    /** In force for an app: the host's values under the app's. */
    env(app: AppName): Env
    /** A tar with a file for each of these values. */
    bundle(env: Env): Readable
    /** Sets and unsets, then rolls out unless `restart` is false. Nothing happens when nothing changes. */
    change(
      app: AppName | undefined,
      change: { readonly set?: Env; readonly unset?: readonly string[]; readonly restart: boolean },
      call: Call,
    ): Promise<void>
    /**
     * Hands an app values of the plugin's own, a URL or a password: sealed, shown with the plugin's name, not for people to set, and in no
     * release. Undefined takes one back. They count for new containers: see `redeploy`. UserErrors `config-owned` when a person or
     * another plugin has the key, `bad-key`.
     */
    provide(app: AppName, values: Readonly<Record<string, string | undefined>>): void
  }
  readonly domains: {
    /** All hostnames that lead to the app, the default ones first. */
    of(app: AppName): readonly string[]
    /** Answers which were new. */
    add(app: AppName, hostnames: readonly string[], call: Call): Promise<readonly string[]>
    /** Answers which were there. */
    remove(app: AppName, hostnames: readonly string[], call: Call): Promise<readonly string[]>
    global(): readonly string[]
    setGlobal(hostnames: readonly string[], call: Call): Promise<void>
    /** Where a person finds the app: its hostnames as URLs, none while nothing leads there. */
    urls(app: AppName): readonly string[]
  }
  readonly certificates: {
    /**
     * In place of the app's own; checked, kept sealed, and in force at once. Answers what it says of itself, and what a person ought to know.
     * UserErrors `bad-certificate`, `bad-key`, `key-encrypted`, `key-weak`, `key-differs`.
     */
    add(
      app: AppName,
      pair: { readonly chain: string; readonly key: string },
      call: Call,
    ): Promise<CertificateFacts & { readonly warnings: readonly string[] }>
    /** One that vouches for itself. UserError `certificate-there` when the app has its own. */
    generate(
      app: AppName,
      hostname: string,
      call: Call,
    ): Promise<CertificateFacts & { readonly warnings: readonly string[] }>
    /** UserError `certificate-missing`. */
    remove(app: AppName, call: Call): Promise<void>
    /** What was added for the app, in PEM form. UserError `certificate-missing`. */
    own(app: AppName): { readonly chain: string; readonly key: string }
    /** What is shown for the app's hostnames: its own, and what plugins found. */
    inForce(app: AppName): readonly (CertificateFacts & { readonly serves: readonly string[] })[]
  }
  readonly properties: {
    get(topic: string, app: AppName | undefined, key: string): string | undefined
    set(topic: string, app: AppName | undefined, key: string, value: string | undefined): void
    /** All that is set of a topic, by key. It goes along with apps:clone. */
    of(topic: string, app: AppName): readonly { readonly key: string; readonly value: string }[]
    /** The app's own, else the host's, else `fallback`. */
    inForce(topic: string, app: AppName, key: string, fallback: string): string
  }
  readonly networks: {
    /** Networks that apps may share, beside the one that each has for itself; a spec's `networks` joins them. */
    list(): Promise<readonly { readonly name: string; readonly subnet: string }[]>
    /** UserErrors `name-taken`, `pool-out`. */
    create(name: string): Promise<void>
    /** Gone already is fine. Throws while containers are in it. */
    remove(name: string): Promise<void>
  }
  readonly ports: {
    /** In force: as set, else as detected. */
    of(app: AppName): readonly PortMapping[]
    /** What the live release's image says. */
    detected(app: AppName): readonly PortMapping[]
    /** Undefined: as detected. UserErrors `bad-port`, `port-taken`; what cannot come about is not kept. */
    set(app: AppName, mappings: readonly PortMapping[] | undefined, call: Call): Promise<void>
  }
  readonly routes: {
    /** The app's route as it would be told to the proxy now: properties, then what plugins shape. */
    get(app: AppName, call: Call): Promise<Route>
    /**
     * Tells the proxy what `shapeRoute` makes of the app's route now, or of every app's. In force in all workers when it settles; no container
     * is touched. For a plugin whose values have changed.
     */
    refresh(app: AppName | undefined, call: Call): Promise<void>
    /** What is wrong with the app's route as it would be told now. */
    fault(app: AppName, call: Call): Promise<string | undefined>
  }
  readonly processes: {
    /** Counts in force for the processes of the live release (before the first deploy: as set). */
    formation(app: AppName): Formation
    scale(app: AppName, counts: Formation, options: { readonly rollout: boolean }, call: Call): Promise<void>
    /** New containers of the live release in place of the old; one process, or all. */
    restart(app: AppName, options: { readonly process?: string }, call: Call): Promise<void>
    stop(app: AppName, call: Call): Promise<void>
    start(app: AppName, call: Call): Promise<void>
    stopped(app: AppName): boolean
    /** The wanted containers with what the engine says of each. */
    status(
      app: AppName,
    ): Promise<readonly (Container & { readonly running: boolean; readonly says: string })[]>
  }
  readonly releases: {
    list(app: AppName): readonly Release[]
    live(app: AppName): Release | undefined
    /** UserError `release-missing`. */
    get(app: AppName, number: number): Release
    config(release: Release): Env
    /** To that release, or the one that was live before. A new release, from the old one's image and config. */
    rollback(app: AppName, number: number | undefined, call: Call): Promise<Release>
  }
  readonly containers: {
    /** Lines of the app's containers by time; with `follow` it goes on, through deploys, until the signal. */
    logs(app: AppName, options: LogsOptions): AsyncIterable<AppLogLine>
    /** A one-off command in the live release's image. Answers its exit code. */
    run(app: AppName, words: readonly string[], io: RunIo, call: Call): Promise<number>
    /** The same with a line that people wrote into a file of the app's source: its own shell reads it. */
    runLine(app: AppName, line: string, io: RunIo, call: Call): Promise<number>
    /** Runs a command in a running container, one of `processes.status`. Answers its exit code. */
    exec(container: Container, words: readonly string[], io: RunIo): Promise<number>
    /** A file or folder of a container, as a tar that is read as it comes. UserError `no-file`. */
    copyOut(container: Container, file: string, options: { readonly signal: AbortSignal }): Promise<Readable>
    /**
     * As root, in a container of the host's own for a moment, without a network: for files that Davit itself may not touch, and
     * programs that a plugin trusts. Answers the exit code. UserError `stack-missing`.
     */
    work(work: Work, io: RunIo): Promise<number>
  }
  /** A folder of the host in which plugins keep what containers mount, each thing in a folder of its own: no other of Davit's may be mounted. */
  folder(name: 'storage' | 'services'): string
  readonly traffic: {
    /**
     * Lines of what the proxy wrote down, oldest first; undefined: of requests that reached no app. With `follow` it goes on, also where
     * the app gets another name, until the signal or the app's end.
     */
    log(app: AppName | undefined, form: TrafficForm, options: TrafficOptions): AsyncIterable<string>
    /** What an app, or each, was asked lately. An app that was asked nothing is not among them. */
    metrics(app: AppName | undefined): Promise<readonly AppMetrics[]>
    /** The proxy's program as it is installed now takes the place of the running one. Answers their processes. UserError `upgrade-failed`. */
    upgrade(): Promise<{ readonly was: number; readonly pid: number }>
  }
  readonly repository: {
    /** What is pushed to it is deployed; undefined before the first push unless set. */
    deployBranch(app: AppName): string | undefined
    tip(app: AppName): Promise<string | undefined>
  }
  readonly attempts: {
    list(app: AppName): readonly Attempt[]
    /** UserError `attempt-missing`. */
    get(app: AppName, id: number): Attempt
    /** Its output's lines; of one under way, on until it has ended. */
    output(attempt: Attempt, signal: AbortSignal): AsyncIterable<string>
    /** Ends what is under way, if it is not live yet. Answers the attempts as they ended. */
    cancel(app: AppName): Promise<readonly Attempt[]>
    /** Keeps the newest so many. Answers how many went. */
    prune(app: AppName, keep: number): number
  }
  /** Does at once what is done every night, for one app or for all and the engine's build cache. */
  upkeep(app: AppName | undefined): Promise<Upkeep>
  /** For admins: everybody else is stopped at the gate. */
  readonly plugins: Catalogue
  readonly access: {
    keys(): readonly Key[]
    /** UserError `name-taken`, `key-taken`, `bad-name`. */
    addKey(
      name: string,
      key: { readonly fingerprint: string; readonly type: string; readonly blob: string },
    ): Key
    /** By the key's own name or by fingerprint. Answers what went. UserError `key-missing`, `last-key`. */
    removeKey(
      which: { readonly name: string } | { readonly fingerprint: string },
      options: { readonly force: boolean },
    ): readonly Key[]
  }
}
