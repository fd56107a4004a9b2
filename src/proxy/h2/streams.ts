import { ConnectionError, codes } from './frames.ts'

/** The streams of a connection: those that there are, and what is known of all others (RFC 9113 5.1). */
export interface Streams<Stream extends { readonly id: number }> {
  readonly size: number
  /** The last one that was taken. */
  readonly last: number
  get(id: number): Stream | undefined
  all(): Iterable<Stream>
  /** A stream that begins: false is one that is over, and whose client could not know. Throws what no client may begin. */
  isNew(id: number): boolean
  take(id: number): void
  add(stream: Stream): void
  /** It is over. `reset`: by this side, so that more of it may be on its way. */
  forget(id: number, how: { reset: boolean }): void
  /** Something for a stream that is not there. True: its client could not know. Throws when there never was such a stream. */
  isIgnored(id: number): boolean
}

/** The latest that are over are remembered. */
const graves = 256

export function openStreams<Stream extends { readonly id: number }>(): Streams<Stream> {
  const open = new Map<number, Stream>()
  /** Below zero: reset. */
  const over = new Int32Array(graves)
  let next = 0
  let seen = 0
  let taken = 0

  const isIgnored = (id: number): boolean => {
    if (id > seen || id % 2 === 0) throw new ConnectionError(codes.protocol, 'a stream that never was')
    return id > taken || over.includes(-id)
  }
  return {
    get size() {
      return open.size
    },
    get last() {
      return taken
    },
    get: id => open.get(id),
    all: () => open.values(),
    isNew(id) {
      if (id % 2 === 0) throw new ConnectionError(codes.protocol, 'a stream of the other side')
      if (id > seen) {
        seen = id
        return true
      }
      if (isIgnored(id)) return false
      const code = over.includes(id) ? codes.streamClosed : codes.protocol
      throw new ConnectionError(code, 'a stream that is over')
    },
    take(id) {
      taken = id
    },
    add: stream => void open.set(stream.id, stream),
    forget(id, { reset }) {
      open.delete(id)
      over[next] = reset ? -id : id
      next = (next + 1) % graves
    },
    isIgnored,
  }
}
