import { Readable, Writable } from 'node:stream'

/** Who answers on a stream of HTTP/2. */
export interface Answering {
  /** Takes bytes of the answer's body; `done` is called when they have gone on their way. */
  send(bytes: Buffer, done: () => void): void
  /** The answer's body is whole. */
  finish(): void
  /** Nothing more of it comes: if it is not whole, the client sees that. */
  cut(): void
}

/** Bytes of answers that may wait for a client on a connection, and on each of its streams. */
const aheadMost = 4 * 1024 * 1024
const aheadEach = 256 * 1024
const aheadLeast = 32 * 1024

/** Bytes of an answer that may wait on one of so many streams. */
export function aheadAmong(streams: number): number {
  return Math.max(aheadLeast, Math.min(aheadEach, aheadMost / streams))
}

/** Where the body of an answer goes. */
export function outOf(stream: Answering): Writable {
  const out = new Writable({
    // No more than ever may wait: who waits hears of a drain only past it.
    highWaterMark: aheadLeast,
    write: (bytes: Buffer, _encoding, done) => stream.send(bytes, done),
    final(done) {
      stream.finish()
      done()
    },
    destroy(_error, done) {
      stream.cut()
      done(null)
    },
  })
  return out.on('error', () => undefined)
}

/** For the body of an answer that has none. */
export function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}

/** The body of requests that have none; it has ended. */
export function noBody(): Readable {
  const none = new Readable({ read: () => undefined })
  none.push(null)
  none.resume()
  return Object.assign(none, { endAfterHeaders: true })
}

/** Where the body of an answer went that has come whole already. */
export function spent(): Writable {
  return nowhere()
    .on('error', () => undefined)
    .end()
}
