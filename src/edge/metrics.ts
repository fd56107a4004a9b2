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
