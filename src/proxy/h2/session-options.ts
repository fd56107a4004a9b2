import type { Readable, Writable } from 'node:stream'

import type { Parts } from '../serve.ts'
import type { Peer } from '../visitor.ts'
import type { Pages } from './outlet.ts'

/** What a connection is given. */
export interface SessionOptions extends Shared {
  readonly parts: Parts
  readonly scheme: 'http' | 'https'
  readonly peer: Peer
  /** How often deadlines are looked at: so much later they may be met. */
  readonly sweepMs: number
}

/** What all connections of a worker share. */
export interface Shared {
  readonly pages: Pages
  /** For requests that have no body, and for answers that have come whole. */
  readonly none: Readable
  readonly spent: Writable
  readonly date: () => string
}
