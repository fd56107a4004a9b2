import type { Readable } from 'node:stream'

import type { App, AppName, Attempt, Call, Container, Env, Formation, Key, Release } from '../types.ts'
import type { Catalogue } from './catalogue.ts'
import type { EdgeCore } from './edge-core.ts'
import type { PluginCore } from './plugin-core.ts'
import type { AppLogLine, LogsOptions, RunIo, Upkeep, Work } from './terms.ts'

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
export interface Core extends PluginCore, EdgeCore {
  /** Davit's own, `1.2.0`. */
  readonly version: string
  /** What git pushes an app to; HOST stands for the name that the person reaches this host by. */
  remote(app: string): string
  readonly apps: {
    /** The app of that name, if there is one. */
    find(name: string): App | undefined
    /** The app of that name. UserError `app-missing`, exit 20. */
    get(name: string): App
    /** All of them, by name. */
    list(): readonly App[]
    /** A new app, as apps:create makes it. UserError `name-taken`. */
    create(name: AppName, call: Call): Promise<App>
    /** Takes the app away with all it has. */
    destroy(name: AppName, call: Call): Promise<void>
    /** Another name; new containers carry it, unless `rollout` is false. UserErrors `name-taken`, `domain-taken`. */
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
  readonly properties: {
    /** As set for the app, or with undefined for the host; nothing else counts. */
    get(topic: string, app: AppName | undefined, key: string): string | undefined
    /** Undefined clears. Topics are those of `X:set`; a plugin's is its name. */
    set(topic: string, app: AppName | undefined, key: string, value: string | undefined): void
    /** All that is set of a topic, by key. It goes along with apps:clone. */
    of(topic: string, app: AppName): readonly { readonly key: string; readonly value: string }[]
    /** The app's own, else the host's, else `fallback`. */
    inForce(topic: string, app: AppName, key: string, fallback: string): string
  }
  readonly networks: {
    /** Networks that apps may share, beside the one that each has for itself; a spec's `networks` joins them. */
    list(): Promise<readonly { readonly name: string; readonly subnet: string }[]>
    /** Makes one, with addresses of its own. UserErrors `name-taken`, `pool-out`. */
    create(name: string): Promise<void>
    /** Takes one away; gone already is fine. Throws while containers are in it. */
    remove(name: string): Promise<void>
  }
  readonly processes: {
    /** Counts in force for the processes of the live release (before the first deploy: as set). */
    formation(app: AppName): Formation
    /** Other counts; processes that are not named keep theirs. With `rollout` false they count from the next rollout on. */
    scale(app: AppName, counts: Formation, options: { readonly rollout: boolean }, call: Call): Promise<void>
    /** New containers of the live release in place of the old; one process, or all. */
    restart(app: AppName, options: { readonly process?: string }, call: Call): Promise<void>
    /** No containers until it is started or deployed again. */
    stop(app: AppName, call: Call): Promise<void>
    /** The live release's containers, after a stop. */
    start(app: AppName, call: Call): Promise<void>
    /** Whether a person stopped it. */
    stopped(app: AppName): boolean
    /** The wanted containers with what the engine says of each. */
    status(
      app: AppName,
    ): Promise<readonly (Container & { readonly running: boolean; readonly says: string })[]>
  }
  readonly releases: {
    /** Newest first, failed ones too. */
    list(app: AppName): readonly Release[]
    /** The one in front of traffic; undefined before the first deploy. */
    live(app: AppName): Release | undefined
    /** The release of that number. UserError `release-missing`. */
    get(app: AppName, number: number): Release
    /** What people had set when it was made. */
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
  readonly repository: {
    /** What is pushed to it is deployed; undefined before the first push unless set. */
    deployBranch(app: AppName): string | undefined
    /** The commit at the end of the deploy branch; undefined before the first push. */
    tip(app: AppName): Promise<string | undefined>
  }
  readonly attempts: {
    /** What was tried to bring it live, newest first. */
    list(app: AppName): readonly Attempt[]
    /** The attempt of that number. UserError `attempt-missing`. */
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
    /** Everybody's keys, by name. */
    keys(): readonly Key[]
    /** Lets somebody in, as an admin. UserErrors `name-taken`, `key-taken`, `bad-name`. */
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
