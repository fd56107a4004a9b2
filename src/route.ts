import type { AppName } from './types.ts'

/** Address and port of a container that answers HTTP. */
export interface Upstream {
  readonly host: string
  readonly port: number
}

/** An app's domains to its upstreams. `*.x` stands for one label or more before `.x`. */
export interface Route {
  readonly app: AppName
  readonly domains: Readonly<Record<string, true>>
  /** Container name to its upstream. None: 503 while the app is stopped or was never deployed. */
  readonly upstreams: Readonly<Record<string, Upstream>>
  /** Absolute path of a folder that the proxy serves itself, in place of upstreams. */
  readonly files?: string
  /** The release that answers. */
  readonly release?: number
  /** grpc: the upstreams speak HTTP/2 without TLS. */
  readonly protocol?: 'http' | 'grpc'
  /** Hostname to where it leads instead: another host (the path is kept), or a whole URL. */
  readonly redirects?: Readonly<Record<string, Redirect>>
  /** Basic authentication. Addresses in `allowed` (CIDR) come in without. */
  readonly auth?: {
    readonly realm: string
    /** Name to the scrypt hash of its password: `$scrypt$ln=14,r=8,p=1$SALT$HASH`, base64 without padding. */
    readonly users: Readonly<Record<string, string>>
    readonly allowed?: Addresses
  }
  /** Who may come: `deny` first, then `allow`, where there is one. */
  readonly lists?: { readonly allow?: Addresses; readonly deny?: Addresses }
  /** Fields of every answer; an empty value takes the app's own away. */
  readonly headers?: Readonly<Record<string, string>>
  /** 503 with a page for all but these addresses. */
  readonly maintenance?: { readonly page?: string; readonly allowed?: Addresses }
  /** Status (`404`, `502`…) to the HTML that is shown in place of the proxy's own page. */
  readonly pages?: Readonly<Record<string, string>>
  readonly limits?: RouteLimits
  /** Requests that one client may make: so many in so many seconds, and `burst` at once. */
  readonly rate?: { readonly requests: number; readonly seconds: number; readonly burst: number }
  /** Answers of compressible types are compressed when the app did not; false: never. */
  readonly compress?: boolean
  /** What happens to requests without TLS, and what browsers are told to remember. Counts for hostnames with a certificate. */
  readonly https?: {
    readonly redirect: boolean
    readonly hsts?: {
      readonly maxAge: number
      readonly includeSubdomains: boolean
      readonly preload: boolean
    }
  }
  /** A client stays with one upstream, by cookie. */
  readonly sticky?: boolean
  /** Path that is answered even while requests are held back. */
  readonly health?: string
  /** A new release on trial: a share of the clients, by cookie. */
  readonly canary?: Canary
  /** How requests are written down; `json` unless told. */
  readonly log?: 'json' | 'combined' | 'off'
  /** Path prefix to what answers there in place of the app: the proxy from a folder, or the daemon for a plugin. */
  readonly mounts?: Readonly<Record<string, RouteMount>>
  /** Ports of the host, besides the instance's own HTTP and HTTPS, that lead to the app. */
  readonly ports?: Readonly<Record<string, RoutePort>>
}

/** An absolute folder, or the daemon's socket for a plugin. open: before the route's gates. */
export type RouteMount = (
  | { readonly files: string }
  | { readonly plugin: string; readonly socket: string }
) & { readonly open?: boolean }

/** Addresses or networks in CIDR form. */
export type Addresses = Readonly<Record<string, true>>

/** Where a hostname leads instead, and how that is said. */
export interface Redirect {
  readonly to: string
  readonly status: 301 | 302 | 303 | 307 | 308
}

/** How much, how long and how many; what is not set is as it usually is. */
export interface RouteLimits {
  /** Longest body of a request; 0: any. */
  readonly bodyBytes?: number
  readonly connectMs?: number
  /** Silence before the answer begins. */
  readonly answerMs?: number
  /** Silence in the middle of an answer or a WebSocket. */
  readonly idleMs?: number
  /** Silence in the middle of a request's body. */
  readonly bodyIdleMs?: number
  /** Requests in flight at one upstream, per worker; further ones wait. */
  readonly perUpstream?: number
  /** How many may wait, and how long; past that they get 503. */
  readonly queue?: number
  readonly queueMs?: number
}

/** Containers of a release on trial, and how many in a hundred clients they get. */
export interface Canary {
  readonly percent: number
  readonly release: number
  readonly upstreams: Readonly<Record<string, Upstream>>
}

/** A port of the host that leads to a port of an app's containers; 80 and 443 are the instance's own HTTP and HTTPS. */
export interface PortMapping {
  readonly scheme: RoutePort['scheme']
  readonly host: number
  readonly container: number
}

/** tcp: bytes are passed on as they are · http, https, grpc: as on the instance's own listeners. */
export interface RoutePort {
  readonly scheme: 'http' | 'https' | 'grpc' | 'grpcs' | 'tcp'
  /** Container name to its upstream. */
  readonly upstreams: Readonly<Record<string, Upstream>>
}

/** A certificate in force: PEM chain and key, and the hostnames it is shown for. */
export interface Certificate {
  /** Unique within the instance: the app's name, or a plugin's own. */
  readonly name: string
  readonly hostnames: readonly string[]
  readonly chain: string
  readonly key: string
}

/** What an app was asked lately, as the proxy has counted it. */
export interface AppMetrics {
  /** Null: requests that reached no app. */
  readonly app: string | null
  /** How long the counts go back: a minute or two, less after a start. */
  readonly seconds: number
  readonly requests: number
  /** By the first digit of the status, 1 to 5. */
  readonly statuses: readonly number[]
  /** Requests that got no answer from the app, or half of one. */
  readonly lost: number
  /** Bytes of bodies. */
  readonly received: number
  readonly sent: number
  readonly retries: number
  readonly ejections: number
  /** Now. */
  readonly inFlight: number
  readonly webSockets: number
  /** Connections to its tcp ports; null when there has been none since the proxy's start. */
  readonly tcp: {
    /** Now. */
    readonly open: number
    readonly connections: number
    /** Of them, those that led nowhere. */
    readonly failed: number
    readonly received: number
    readonly sent: number
  } | null
  /** Null when there was none. */
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  /** The last thirty minutes, oldest first; the last one is not over. */
  readonly minutes: readonly {
    readonly requests: number
    /** Answers with 5xx. */
    readonly errors: number
    readonly p95Ms: number | null
  }[]
}
