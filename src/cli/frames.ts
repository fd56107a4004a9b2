import type { Readable, Writable } from 'node:stream'

/**
 * The local socket's form: each frame is a kind (one byte), a length (32 bits, big endian) and that many bytes. The client opens with
 * `open`; then both talk until the daemon says `exit`. Each `stdin` is answered by `taken` before the next one is sent: so that a command
 * which reads nothing holds up its input, and not the signals behind it.
 */
export const kinds = {
  open: 0,
  stdin: 1,
  stdout: 2,
  stderr: 3,
  exit: 4,
  stdinEnd: 5,
  resize: 6,
  signal: 7,
  taken: 8,
} as const

export type Kind = (typeof kinds)[keyof typeof kinds]

/** What the client says first. */
export interface Opening {
  readonly words: readonly string[]
  readonly terminal: { readonly term: string; readonly cols: number; readonly rows: number } | undefined
}

const longest = 1024 * 1024

export function frame(kind: Kind, payload: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(kind)
  head.writeUInt32BE(payload.length, 1)
  return Buffer.concat([head, payload])
}

export function jsonFrame(kind: Kind, value: unknown): Buffer {
  return frame(kind, Buffer.from(JSON.stringify(value)))
}

/** Frames as they come. Throws on one that is too long. */
export async function* readFrames(socket: Readable): AsyncGenerator<{ kind: number; payload: Buffer }> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (rest.length - at >= 5) {
      const length = rest.readUInt32BE(at + 1)
      if (length > longest) throw new Error(`a frame of ${length} bytes is too long`)
      if (rest.length - at - 5 < length) break
      yield { kind: rest.readUInt8(at), payload: rest.subarray(at + 5, at + 5 + length) }
      at += 5 + length
    }
    rest = rest.subarray(at)
  }
}

/** Sends what is written to it as frames of one kind; back-pressure is the socket's. */
export function writeFramed(
  socket: Writable,
  kind: Kind,
  chunk: Buffer,
  done: (error?: Error | null) => void,
): void {
  for (let at = 0; at < chunk.length || at === 0; at += longest) {
    const last = at + longest >= chunk.length
    socket.write(frame(kind, chunk.subarray(at, at + longest)), last ? done : undefined)
  }
}
