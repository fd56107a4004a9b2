import type { AppMetrics, Certificate, Route } from '../types.ts'

/**
 * What daemon and proxy say to each other over the proxy's Unix socket: each message is a 32-bit big-endian length and that
 * many bytes of JSON. The daemon opens with `hello`; every request carries an id, and is answered when every worker has done it.
 */
export const wireVersion = 3

/** Bytes; a longer message ends the connection. */
export const longestMessage = 256 * 1024 * 1024

export type Request =
  | { readonly verb: 'hello'; readonly version: number }
  /** The whole table; whatever is not in it goes. */
  | {
      readonly verb: 'sync'
      readonly routes: readonly Route[]
      readonly certificates: readonly Certificate[]
      readonly options: EdgeOptions
      /** Apps whose routes stay as they are. */
      readonly keep: readonly string[]
    }
  /** What counts for the whole instance, from now on. */
  | { readonly verb: 'options'; readonly options: EdgeOptions }
  | { readonly verb: 'point'; readonly route: Route }
  /** Takes the app out of the table, and its logs away. */
  | { readonly verb: 'forget'; readonly app: string }
  /** What was written down and counted for an app goes on under another name. */
  | { readonly verb: 'rename'; readonly was: string; readonly app: string }
  /**
   * Answered when these upstreams (`host:port`) have nothing in flight, or after `timeoutMs`, for WebSockets `websocketMs`; then what is
   * left is ended, WebSockets with a close frame.
   */
  | {
      readonly verb: 'drain'
      readonly upstreams: readonly string[]
      readonly timeoutMs: number
      /** As `timeoutMs` where it is not given. */
      readonly websocketMs?: number
    }
  /** Requests of the app wait, each for so long at most; then they get 504. */
  | { readonly verb: 'pause'; readonly app: string; readonly capMs: number }
  | { readonly verb: 'resume'; readonly app: string }
  /** What a release on trial and the one before it have answered so far. */
  | { readonly verb: 'trial'; readonly app: string }
  /** In place of the one of its name. Refused when key and chain cannot be used together. */
  | { readonly verb: 'certificate'; readonly certificate: Certificate }
  | { readonly verb: 'forgetCertificate'; readonly name: string }
  /** What became of the requests while an app's route changed to another release; waits a second at most for those under way then. */
  | { readonly verb: 'crossing'; readonly app: string }
  /** What was counted lately, of one app or of all. */
  | { readonly verb: 'metrics'; readonly app?: string }
  | { readonly verb: 'stats' }
  /** The program that is installed now takes the proxy's place. Answered when all of it serves, or with why it does not. */
  | { readonly verb: 'upgrade' }

/** What counts for the whole instance, whatever the app. */
export interface EdgeOptions {
  /** Addresses and networks (CIDR) of proxies in front of this one, whose word on clients is taken. */
  readonly trustedProxies: readonly string[]
  /** Each connection from them begins with where it came from. */
  readonly proxyProtocol: boolean
}

export const usualOptions: EdgeOptions = { trustedProxies: [], proxyProtocol: false }

export type Answer =
  | { readonly ok: true; readonly value?: unknown }
  | { readonly ok: false; readonly error: string }

export type Framed<T> = T & { readonly id: number }

/** What a release has answered since its trial began. */
export interface ReleaseCounts {
  readonly requests: number
  /** With a status of 500 or more. */
  readonly failed: number
  /** What 95 % of them took until the first byte, at most; null while there are none. */
  readonly p95Ms: number | null
}

/** Requests that were over while a route changed from one release to another. */
export interface Crossing {
  readonly requests: number
  /** Of those, the ones that got no answer from the app, or half of one. */
  readonly lost: number
  /** Answered by the app with 5xx. */
  readonly errors: number
  readonly slowestMs: number
  /** Since before the change, and not over. */
  readonly underWay: number
  /** By the number of the release that was asked. */
  readonly byRelease: Readonly<Record<string, number>>
}

/** Process ids; or in words, why the proxy is the one before. */
export type Upgrade = { readonly was: number; readonly pid: number } | { readonly failed: string }

export interface Stats {
  readonly workers: number
  readonly requests: number
  readonly inFlight: number
}

/**
 * The daemon's side. Calls wait for the proxy to be there (up to 10 s, or 30 s where it is being replaced or has just ended), then fail with
 * UserError `proxy-away`.
 */
export interface Edge {
  /** Answers what is wrong with each certificate that could not be taken. */
  sync(
    routes: readonly Route[],
    certificates?: readonly Certificate[],
    options?: EdgeOptions,
    keep?: readonly string[],
  ): Promise<readonly string[]>
  options(options: EdgeOptions): Promise<void>
  /** Answers ports of the host that could not be opened for it. */
  point(route: Route): Promise<readonly number[]>
  forget(app: string): Promise<void>
  /** Its logs and counters follow an app to its new name. The routes are told apart from this. */
  rename(was: string, app: string): Promise<void>
  /** Throws when it cannot be used; what was there before stays. */
  certificate(certificate: Certificate): Promise<void>
  forgetCertificate(name: string): Promise<void>
  /** Answers how many requests had to be ended. */
  drain(upstreams: readonly string[], options: { timeoutMs: number; websocketMs?: number }): Promise<number>
  /** Holds the app's requests back, each for `capMs` at most, until `resume`. */
  pause(app: string, options: { capMs: number }): Promise<void>
  resume(app: string): Promise<void>
  /** By release; empty while none is on trial. */
  trial(app: string): Promise<ReadonlyMap<number, ReleaseCounts>>
  /**
   * What became of an app's requests while its route changed to another release: told once, and within the second after that. Nothing
   * but noughts where there was no such change.
   */
  crossing(app: string): Promise<Crossing>
  /** Of one app or of all: what it was asked lately. An app that was asked nothing is not among them. */
  metrics(app?: string): Promise<readonly AppMetrics[]>
  stats(): Promise<Stats>
  /** UserError `upgrade-failed`: the proxy is the one before. */
  upgrade(): Promise<{ readonly was: number; readonly pid: number }>
  /** What calls wait for now, in words; undefined: nothing but an answer. */
  waits(): string | undefined
  /** Called at every (re)connection, so that the whole table is told again. */
  onConnect(listener: () => void): void
  close(): void
}
