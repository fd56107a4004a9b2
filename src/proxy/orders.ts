import type { EdgeOptions, Request } from '../edge/wire.ts'
import type { Certificate, Route } from '../types.ts'
import type { Limits } from './limits.ts'
import type { Report } from './report.ts'

/** What the primary tells a worker over IPC: what the daemon asked for, and when to begin. */
export type Order =
  | {
      readonly verb: 'start'
      /** Listening sockets. */
      readonly http: number
      readonly https: number | undefined
      readonly routes: readonly Route[]
      readonly certificates: readonly Certificate[]
      readonly options: EdgeOptions
      readonly secrets: Secrets
      readonly limits: Limits
    }
  /** Each as by `point`. */
  | { readonly verb: 'points'; readonly routes: readonly Route[] }
  /** From now on session tickets are sealed with these. */
  | { readonly verb: 'tickets'; readonly ticketKeys: string }
  /** Another serves in our place: when you leave, give clients time. */
  | { readonly verb: 'retire' }
  | Exclude<Request, { verb: 'hello' | 'upgrade' | 'sync' }>

/** What all workers use alike and nobody else knows. */
export interface Secrets {
  /** Shown to who asks for a name without a certificate; undefined where none could be made. */
  readonly fallback: Pick<Certificate, 'chain' | 'key'> | undefined
  /** 48 bytes, base64. */
  readonly ticketKeys: string
}

export interface SentOrder {
  readonly id: number
  readonly order: Order
}

/** The listening socket of a port of the host comes along; without one the port cannot be had now. */
export interface SentPort {
  readonly port: number
}

/** `awake` once, before any order; then one answer for each, and between them reports, and ports whose sockets it needs. */
export type WorkerSays =
  | 'awake'
  | { readonly id: number; readonly value: unknown }
  | { readonly needs: number }
  | { readonly report: Report }
