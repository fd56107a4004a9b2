import type { RouteLimits } from '../types.ts'

/** Milliseconds that anyone may keep the proxy waiting, and bytes that it takes. */
export interface Limits {
  /** For a TLS handshake. */
  readonly handshakeMs: number
  /** For a whole request head, from the first byte. */
  readonly headMs: number
  /** Between two requests of a connection. */
  readonly keepAliveMs: number
  readonly connectMs: number
  /** Silence of an upstream before its answer begins. */
  readonly answerMs: number
  /** Silence in the middle of an answer: long, for streams of events are quiet at times. */
  readonly streamIdleMs: number
  /** Silence towards a client of plain HTTP/1.x that has ended its own side: it may be gone. */
  readonly endedMs: number
  /** Silence of both sides of a WebSocket; 0: any. */
  readonly socketIdleMs: number
  /** Of a request's body. */
  readonly bodyBytes: number
  /** For requests in flight when the proxy stops. */
  readonly stopMs: number
  /** For connections, when another serves in the proxy's place: their clients find their way to it. */
  readonly retireMs: number
  /** Of that for WebSockets; then they are closed. */
  readonly partAfterMs: number
  /** How long a body may crawl below `leastRate` while the client could do more. */
  readonly patienceMs: number
  /** How long an answer may: the kernel takes it in steps of up to 1.3 MB, so that for a slow client nothing seems to move for a while. */
  readonly takeMs: number
  /** Bytes per second. */
  readonly leastRate: number
  /** Open at once, per worker. */
  readonly connections: number
  /** Of them from one IPv4 address, or one /64 of IPv6, per worker. Trusted proxies have no such limit. */
  readonly perAddress: number
  /** Requests over one connection; then it is closed. */
  readonly requestsPerConnection: number
}

export const usualLimits: Limits = {
  handshakeMs: 10_000,
  headMs: 20_000,
  keepAliveMs: 75_000,
  connectMs: 5_000,
  answerMs: 60_000,
  streamIdleMs: 600_000,
  endedMs: 5_000,
  socketIdleMs: 0,
  // Enough for what people send by a browser. Nothing of it is kept here: a body streams through.
  bodyBytes: 1024 ** 3,
  stopMs: 10_000,
  retireMs: 30_000,
  partAfterMs: 5_000,
  patienceMs: 20_000,
  takeMs: 60_000,
  leastRate: 240,
  connections: 20_000,
  perAddress: 1_000,
  requestsPerConnection: 100_000,
}

/** The route's own over the instance's, put together once. */
export function limitsOver(own: RouteLimits | undefined): (usual: Limits) => Limits {
  if (!own) return usual => usual
  const { bodyBytes, connectMs, answerMs, idleMs, bodyIdleMs } = own
  let whole: Limits | undefined
  return usual => {
    whole ??= {
      ...usual,
      ...(bodyBytes === undefined ? {} : { bodyBytes: bodyBytes || Number.POSITIVE_INFINITY }),
      ...(connectMs === undefined ? {} : { connectMs }),
      ...(answerMs === undefined ? {} : { answerMs }),
      ...(bodyIdleMs === undefined ? {} : { patienceMs: bodyIdleMs }),
      ...(idleMs === undefined ? {} : { streamIdleMs: idleMs, socketIdleMs: idleMs }),
    }
    return whole
  }
}
