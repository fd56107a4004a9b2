import type {
  App,
  AppName,
  Attempt,
  AttemptStatus,
  AuditEntry,
  Certificate,
  Container,
  ContainerSpec,
  ContainerState,
  Env,
  Formation,
  Identity,
  Key,
  Procfile,
  Release,
  Role,
  Step,
} from '../types.ts'
import type { Dependencies } from './dependencies.ts'
import type { JobRecords } from './jobs.ts'
import type { PluginValues } from './kv.ts'
import type { PluginRecords } from './plugins.ts'
import type { Services } from './services.ts'

/** What is kept, one part a table. All calls are synchronous; each single call is atomic. */
export interface Store {
  readonly apps: Apps
  readonly keys: Keys
  readonly config: ConfigValues
  readonly domains: Domains
  readonly certificates: AppCertificates
  readonly formation: Formations
  readonly properties: Properties
  readonly releases: Releases
  readonly networks: Networks
  readonly containers: Containers
  readonly steps: Steps
  readonly attempts: Attempts
  readonly audit: Audit
  readonly kv: PluginValues
  readonly jobs: JobRecords
  readonly plugins: PluginRecords
  readonly dependencies: Dependencies
  readonly services: Services
  /** BEGIN IMMEDIATE … COMMIT; a throw rolls everything back. Nests as savepoints. No `await` inside. */
  transaction<T>(work: () => T): T
  close(): void
}

export interface Apps {
  find(name: string): App | undefined
  list(): readonly App[]
  /** UserError `name-taken` when an app of that name is there. */
  add(name: AppName): App
  /** Everything that belongs to it goes along. UserError `name-taken`. */
  rename(name: AppName, to: AppName): App
  /** Marks it as being destroyed. */
  retire(name: AppName): void
  /** With everything that belongs to it: domains, config, releases, containers, steps, properties. */
  remove(name: AppName): void
}

/** Keys belong to people; a person is there as long as they have a key. */
export interface Keys {
  /** By fingerprint, `SHA256:…`. */
  find(fingerprint: string): Key | undefined
  /** By the key's own name, or the person's. */
  named(name: string): readonly Key[]
  list(): readonly Key[]
  /**
   * Makes the person when new. UserError `key-taken` for a known fingerprint, `name-taken` for a known name,
   * `role-differs` when the person is there with another role.
   */
  add(key: { name: string; person: string; role: Role; fingerprint: string; type: string; blob: string }): Key
  remove(fingerprint: string): void
}

/** Sealed at rest. `owner` is the plugin that provided the value; empty: a person set it. */
export interface ConfigValue {
  readonly key: string
  readonly value: string
  readonly owner: string
}

/** `undefined` in place of an app means the host's own values, under every app's. */
export interface ConfigValues {
  list(app: AppName | undefined): readonly ConfigValue[]
  /**
   * Sets and unsets in one transaction, a key in both is set; answers whether anything changed.
   * UserError `config-owned` when a key belongs to another owner than the one who changes it.
   */
  change(app: AppName | undefined, change: { set?: Env; unset?: readonly string[]; owner?: string }): boolean
  /** Every value that this plugin provides. */
  purge(owner: string): void
}

export interface Domains {
  /** Recorded hostnames of an app, in the order they were added. */
  of(app: AppName): readonly string[]
  /** Which app recorded this very hostname. */
  owner(hostname: string): AppName | undefined
  /** UserError `domain-taken` when another app has it; answers false when this app has it already. */
  add(app: AppName, hostname: string): boolean
  remove(app: AppName, hostname: string): boolean
  /** The domains that apps' names are put before. */
  global(): readonly string[]
  setGlobal(hostnames: readonly string[]): void
}

/** What people handed over for an app. */
export interface AppCertificates {
  of(app: AppName): StoredCertificate | undefined
  /** In place of the one before. */
  put(app: AppName, certificate: Pick<Certificate, 'chain' | 'key'>): void
  remove(app: AppName): boolean
}

export interface StoredCertificate extends Pick<Certificate, 'chain' | 'key'> {
  readonly addedAt: Date
}

export interface Formations {
  of(app: AppName): Formation
  /** Processes that are not named keep their count. */
  set(app: AppName, counts: Formation): void
}

/** `topic:set APP KEY VALUE`; `undefined` in place of an app means the host. */
export interface Properties {
  /** All that is set for an app. */
  of(app: AppName): readonly { readonly topic: string; readonly key: string; readonly value: string }[]
  get(topic: string, app: AppName | undefined, key: string): string | undefined
  /** No value clears. */
  set(topic: string, app: AppName | undefined, key: string, value: string | undefined): void
  /** All that is set of a topic, for the host and for all apps. */
  purge(topic: string): void
}

export interface NewRelease {
  readonly image: string
  readonly revision: string | undefined
  readonly procfile: Procfile
  readonly port: number
  readonly config: Env
  readonly by: string
  readonly why: string
}

export interface Releases {
  /** `pending`, with the app's next number. Numbers are never used twice. */
  add(app: AppName, release: NewRelease): Release
  find(app: AppName, number: number): Release | undefined
  live(app: AppName): Release | undefined
  /** The release that was live before the one that is live now. */
  previous(app: AppName): Release | undefined
  /** Newest first. */
  list(app: AppName): readonly Release[]
  /** The person's config as it was, unsealed. */
  config(release: Release): Env
  /** This one is live, the one before is superseded: one transaction. */
  makeLive(app: AppName, number: number): void
  fail(app: AppName, number: number, failure: string): void
}

export interface Network {
  readonly app: AppName
  readonly name: string
  /** A.B.C.D/26 */
  readonly subnet: string
}

export interface Networks {
  of(app: AppName): Network | undefined
  list(): readonly Network[]
  add(network: Network): void
  remove(app: AppName): void
  /**
   * An address of the app's network that no container row and no link to a service holds: never used before, else least recently used, where the end
   * of a container's row counts as use.
   * Marks it as used now, so that two callers never get the same one twice in a row. UserError `addresses-out` when all are held.
   */
  takeAddress(app: AppName): string
}

export interface NewContainerRow {
  readonly process: string
  readonly index: number
  readonly release: number
  readonly name: string
  readonly address: string
  readonly port: number
  /** Hash of `spec`. */
  readonly hash: string
  readonly spec: ContainerSpec
}

export interface Containers {
  of(app: AppName): readonly Container[]
  list(): readonly Container[]
  /** State `starting`. The address is held until the row goes. */
  add(app: AppName, container: NewContainerRow): Container
  /** The recorded spec, unsealed. */
  spec(container: Container): ContainerSpec
  setState(ids: readonly number[], state: ContainerState): void
  remove(id: number): void
}

export interface Steps {
  begin(app: AppName, step: { kind: string; phase: string; data: Step['data'] }): Step
  /** Without `data` the step keeps what it has. */
  advance(step: Step, change: { phase: string; data?: Step['data'] }): Step
  done(step: Step): void
  /** Unfinished ones, oldest first. */
  list(): readonly Step[]
}

export interface Attempts {
  /** `waiting`. */
  add(app: AppName, attempt: Pick<Attempt, 'kind' | 'what' | 'by' | 'revision'>): Attempt
  find(app: AppName, id: number): Attempt | undefined
  setStatus(id: number, status: AttemptStatus, failure?: string): void
  /** Newest first. */
  list(app: AppName): readonly Attempt[]
  /** Ids of all that are kept, of any app. */
  ids(): readonly number[]
  /** Keeps the newest so many of those that ended; answers the ids that went. */
  prune(app: AppName, keep: number): readonly number[]
  /** Those that a killed daemon left under way are failed. */
  closeOpen(failure: string): void
}

export interface Audit {
  /** Before anything is done, so that whatever then happens has been written down. Answers the entry's id. */
  begin(entry: { by: Identity; line: string; at: Date }): number
  end(id: number, result: { exit: number; at: Date }): void
  /** At the daemon's start: what had begun has ended without an exit. */
  cutOff(options: { at: Date }): void
  /** Newest first. */
  list(options: { limit: number }): readonly AuditEntry[]
  /** The first entry whose hash does not follow from the one before, or the newest when it is gone; undefined when the chain is whole. */
  broken(): AuditEntry | undefined
}
