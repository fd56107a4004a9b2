import type { Asked } from './asked.ts'
import type { Book } from './books.ts'
import type { Visitor } from './visitor.ts'

/** What there is to tell of one request once it is over. Times are milliseconds since it arrived. */
export class Trip {
  /** The one that its answer goes through. */
  visitor: Visitor
  readonly at: number
  /** `performance.now` when it arrived. */
  readonly began: number
  /** What could be read of the request; undefined while it is not read, or was refused. */
  asked: Asked | undefined
  /** Of a request that was refused unread, for `asked` is none: its id, and the peer it came from. */
  refused: { readonly id: string; readonly client: string } | undefined
  app: string | undefined
  release: number | undefined
  /** Where it is counted and written down; undefined: with the host's own. */
  book: Book | undefined
  /** `host:port` that answered, or was tried last. */
  upstream: string | undefined
  connectMs: number | undefined
  firstByteMs: number | undefined
  /** Upstreams that were asked besides the last. */
  retries = 0
  /** It has become a WebSocket. */
  webSocket = false
  /** In words, what went wrong first, though another upstream may have answered. */
  fault: string | undefined
  /** The upstream whose fault it was. */
  failed: string | undefined
  /** What a call of gRPC was told at its end, as the app has said it, or we in its place. */
  callStatus: string | undefined
  /** The client got no answer from the app, or half of one. */
  lost = false
  /** Whoever carried it last to an upstream. */
  carrier: object | undefined
  private totalMs: number | undefined

  constructor(visitor: Visitor) {
    this.visitor = visitor
    this.at = Date.now()
    this.began = performance.now()
  }

  /** Answers the time. */
  connected(): number {
    const now = performance.now()
    this.connectMs = now - this.began
    return now
  }

  /** Answers the time. */
  answered(): number {
    const now = performance.now()
    this.firstByteMs = now - this.began
    return now
  }

  soFar(): number {
    return performance.now() - this.began
  }

  /** Once it is over. */
  lasted(): number {
    this.totalMs ??= this.soFar()
    return this.totalMs
  }
}
