import type { Request } from '../edge/wire.ts'
import type { Route } from '../types.ts'
import type { Limits } from './limits.ts'

/** What the primary tells a worker over IPC: what the daemon asked for, and when to begin. */
export type Order =
  | {
      readonly verb: 'start'
      readonly fd: number
      readonly routes: readonly Route[]
      readonly limits: Limits
    }
  | Exclude<Request, { verb: 'hello' }>

export interface SentOrder {
  readonly id: number
  readonly order: Order
}

/** `awake` once, before any order; then one answer for each. */
export type WorkerSays = 'awake' | { readonly id: number; readonly value: unknown }
