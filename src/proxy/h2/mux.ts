import type { Readable, Writable } from 'node:stream'

import type { Peer } from '../visitor.ts'
import type { Visitor2 } from '../visitor2.ts'
import type { Windows } from './windows.ts'

/** The connection of a stream, as the stream needs it. */
export interface Mux {
  readonly scheme: 'http' | 'https'
  readonly peer: Peer
  /** Time (`performance.now`) at the last look at deadlines. */
  readonly clock: number
  /** For requests that have no body, and for answers that have come whole. */
  readonly none: Readable
  readonly spent: Writable
  /** Bytes of its answer that may wait on each stream. */
  ahead(): number
  /** Throw what cannot be said. */
  pack(status: number, fields: readonly string[], options?: { clean?: boolean }): string
  packTrailers(fields: readonly string[]): string
  head(of: Visitor2, block: string, options: { ends: boolean }): void
  readonly windows: Pick<Windows<Visitor2>, 'room' | 'wait' | 'waits'>
  data(of: Visitor2, bytes: Buffer, options: { ends: boolean }): void
  reset(of: Visitor2, code: number): void
  /** Its answer is whole: it is over once that has been written. */
  done(of: Visitor2): void
  /** The client may send so many bytes more of its body. */
  credit(stream: number, bytes: number): void
  /** So many more bytes of bodies are held here, or fewer. */
  holds(bytes: number): void
}

/** How a stream begins. */
export interface Opened {
  /** The request is whole. */
  readonly received: boolean
  /** Bytes of the answer that the client takes. */
  readonly window: number
  readonly patienceMs: number
}
