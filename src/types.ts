import type { Readable, Writable } from 'node:stream'

/** One word, one thing: the nouns that every room shares. Plain, readonly data. */

/** Now, or in a while. */
export type Awaitable<T> = T | Promise<T>

/** Checked: lower-case letters and digits, single dots or dashes between, at most 63 characters. See `readAppName`. */
export type AppName = string & { readonly brand: 'AppName' }
/** Checked: lower case, punycode; `*.` may stand in front. See `readHostname`. */
export type Hostname = string & { readonly brand: 'Hostname' }

/** What a container gets, and what a person set: names to values. */
export type Env = Readonly<Record<string, string>>

// People -------------------------------------------------------------------------------------------------

/** What a person may do at all; plugins may say more (`findAccess`). */
export type Role = 'admin' | 'deployer' | 'viewer'

/** Who is speaking. `key` is an OpenSSH fingerprint (`SHA256:…`), or `local` for the host's own socket. */
export interface Identity {
  readonly person: string
  readonly key: string
  readonly role: Role
}

/** What somebody signs in with. */
export interface Key {
  readonly name: string
  readonly fingerprint: string
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`… */
  readonly type: string
  /** The public key blob, base64, as in an authorized_keys line. */
  readonly blob: string
  readonly person: string
  readonly role: Role
  readonly addedAt: Date
}

/** A terminal that the person asked for; `onResize` listeners get every later window change. */
export interface Terminal {
  readonly term: string
  readonly cols: number
  readonly rows: number
  onResize(listener: (size: { cols: number; rows: number }) => void): void
}

/** One command of one person, over SSH or the local socket. */
export interface Session {
  readonly by: Identity
  /** The line as typed, unsplit; the local socket hands over words instead. */
  readonly command: { readonly line: string } | { readonly words: readonly string[] }
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly terminal: Terminal | undefined
  readonly env: Env
  /** True on the host itself, where a file may be named by its path. */
  readonly local: boolean
  /** Aborted when the connection or the channel goes, or the person interrupts. */
  readonly signal: AbortSignal
  /** Signals the person's client sends (`INT`, `TERM`…), without the `SIG`. */
  onSignal(listener: (name: string) => void): void
}

/** Words for the person. Calling it writes one plain line to stdout. */
export interface Out {
  (line: string): void
  /** `-----> text`; decorative, so left out where nothing but the answer is wanted. */
  step(text: string): void
  /** `=====> text`; left out in the same places. */
  headline(text: string): void
  /** Seven spaces and text. */
  detail(text: string): void
  /** ` !     text`, on stderr. */
  warn(text: string): void
  /** One plain line of many: settles when there is room for the next, so that a slow reader slows the source. */
  flushed(line: string): Promise<void>
}

/** What every operation is handed: who asked, where words for them go, and when to stop. */
export interface Call {
  readonly by: Identity
  readonly out: Out
  readonly signal: AbortSignal
  /** Told when what was asked is live: from here it is not undone any more, whoever leaves. */
  readonly live?: () => void
}

// Apps ---------------------------------------------------------------------------------------------------

/** What a person named and pushes to. Its number outlives its name. */
export interface App {
  readonly id: number
  readonly name: AppName
  readonly createdAt: Date
  /** Being destroyed: it only goes forward from here. */
  readonly retired: boolean
}

/** Process name to the line that starts it; `release` is run once per release and never scaled. */
export type Procfile = Readonly<Record<string, string>>

/** Process name to how many of it run. */
export type Formation = Readonly<Record<string, number>>

/** pending: not live yet · superseded: was live, and may be gone back to · failed: was never live. */
export type ReleaseState = 'pending' | 'live' | 'superseded' | 'failed'

/** Immutable but for its state: image + config + Procfile, numbered within its app. */
export interface Release {
  readonly id: number
  readonly app: AppName
  readonly number: number
  readonly state: ReleaseState
  /** Content id of the image, `sha256:…`; `static:…` for a folder that the proxy serves. */
  readonly image: string
  /** The git revision, where a push made it. */
  readonly revision: string | undefined
  readonly procfile: Procfile
  /** The first port that the image itself exposes; where none, containers listen on 5000. */
  readonly port: number
  readonly by: string
  /** "push", "config:set GREETING", "rollback to 3"… */
  readonly why: string
  /** Why it failed, in a sentence. */
  readonly failure: string | undefined
  readonly createdAt: Date
  readonly liveAt: Date | undefined
}

/** wanted: reconcile keeps it running · starting: a rollout owns it · retiring: being drained and removed. */
export type ContainerState = 'starting' | 'wanted' | 'retiring'

/** A container as recorded: what ought to be, whatever the engine says. */
export interface Container {
  readonly id: number
  readonly app: AppName
  readonly process: string
  /** From 1. */
  readonly index: number
  readonly release: number
  /** Unique on the engine: `<instance>-<app>.<process>.<n>.<4 hex>`. */
  readonly name: string
  /** IPv4, fixed within the app's own network. */
  readonly address: string
  readonly port: number
  /** Hash of the finished spec. */
  readonly spec: string
  readonly state: ContainerState
}

// Sources and builds stand in source.ts, traffic in route.ts, how a container runs in spec.ts, services in service.ts.

// Sources and builds stand in source.ts, traffic in route.ts, how a container runs in spec.ts, services in service.ts.

export type {
  Addresses,
  AppMetrics,
  Canary,
  Certificate,
  PortMapping,
  Redirect,
  Route,
  RouteLimits,
  RouteMount,
  RoutePort,
  Upstream,
} from './route.ts'
export type { Service, ServiceSpec, ServiceState, Volume } from './service.ts'
export type { Builder, ImageBuilder, Source, StaticBuilder } from './source.ts'
export type { ContainerSpec } from './spec.ts'

// Attempts -----------------------------------------------------------------------------------------------

/** waiting: for another change of the app, or for a free place to build · cancelled: by a person, or because they left. */
export type AttemptStatus = 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled'

/** One try at a change in front of traffic, whatever came of it; what it said is kept beside it. */
export interface Attempt {
  readonly id: number
  readonly app: AppName
  /** build: a source was pushed · deploy: what is there already was rolled out anew. */
  readonly kind: 'build' | 'deploy'
  /** "push", "ps:scale shop"… */
  readonly what: string
  readonly by: string
  readonly revision: string | undefined
  readonly status: AttemptStatus
  readonly failure: string | undefined
  readonly createdAt: Date
  readonly endedAt: Date | undefined
}

// Steps --------------------------------------------------------------------------------------------------

/** A recorded part of a change: what was begun, with what is needed to finish or undo it. */
export interface Step {
  readonly id: number
  readonly app: AppName
  /** The noun of the change: `rollout`, `retire`, `destroy`… decides who finishes or undoes it. */
  readonly kind: string
  readonly phase: string
  readonly data: Readonly<Record<string, unknown>>
  readonly createdAt: Date
}

/** What somebody did. */
export interface AuditEntry {
  readonly id: number
  readonly at: Date
  readonly person: string
  readonly key: string
  /** The command line with secrets hidden. */
  readonly line: string
  /** Undefined while it runs, and for good when the daemon ended before it did. */
  readonly exit: number | undefined
  /** When it ended, or was found to have been cut off. */
  readonly endedAt: Date | undefined
  readonly hash: string
}
