import { Writable } from 'node:stream'

/** Where the pieces of an answer's body go. */
export interface Sink {
  /** `done`, when the kernel has them: at once where it takes them at once. */
  send(pieces: readonly Buffer[], done: Done): void
  /** There are no more. */
  finish(done: Done): void
}

export type Done = (error?: Error | null) => void

/** The body of an answer in HTTP/1.x on its way to its connection. */
export function openOut(sink: Sink): Writable {
  const out = new Writable({
    highWaterMark: 64 * 1024,
    write: (chunk: Buffer, _encoding, done) => sink.send([chunk], done),
    writev: (pieces, done) =>
      sink.send(
        pieces.map(({ chunk }) => chunk as Buffer),
        done,
      ),
    final: done => sink.finish(done),
  })
  // Its connection has ended, and tells whom it concerns.
  out.on('error', () => undefined)
  return out
}
