/** Milliseconds that anyone may keep the proxy waiting. */
export interface Limits {
  /** For a whole request head, from the first byte. */
  readonly headMs: number
  /** Between two bytes of a request's body. */
  readonly bodyIdleMs: number
  /** Between two requests of a connection. */
  readonly keepAliveMs: number
  readonly connectMs: number
  /** Silence of an upstream before its answer begins. */
  readonly answerMs: number
  /** Silence in the middle of an answer: long, for streams of events are quiet at times. */
  readonly streamIdleMs: number
  /** For requests in flight when the proxy stops. */
  readonly stopMs: number
}

export const usualLimits: Limits = {
  headMs: 30_000,
  bodyIdleMs: 60_000,
  keepAliveMs: 75_000,
  connectMs: 5_000,
  answerMs: 60_000,
  streamIdleMs: 600_000,
  stopMs: 10_000,
}
