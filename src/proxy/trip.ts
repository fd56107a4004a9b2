import type { Asked } from './asked.ts'
import type { Visitor } from './visitor.ts'

/** What there is to tell of one request once it is over. Times are milliseconds since it arrived. */
export class Trip {
  readonly visitor: Visitor
  readonly at: number
  /** What could be read of the request; undefined while it is not read, or was refused. */
  asked: Asked | undefined
  app: string | undefined
  release: number | undefined
  /** `host:port` that answered, or was tried last. */
  upstream: string | undefined
  connectMs: number | undefined
  firstByteMs: number | undefined
  /** Upstreams that were asked besides the last. */
  retries = 0
  private readonly began: number

  constructor(visitor: Visitor) {
    this.visitor = visitor
    this.at = Date.now()
    this.began = performance.now()
  }

  connected() {
    this.connectMs = this.soFar()
  }

  answered() {
    this.firstByteMs = this.soFar()
  }

  soFar(): number {
    return performance.now() - this.began
  }
}
