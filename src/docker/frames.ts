/** Part of a frame; `begins` where it holds the frame's first byte. */
export interface Piece {
  readonly stream: 'stdout' | 'stderr'
  readonly begins: boolean
  readonly bytes: Buffer
}

/**
 * Takes apart what the engine multiplexes into one connection: frames of `[stream, 0, 0, 0, size as uint32]`
 * and payload, cut anywhere by the transport. Payload is handed on as it comes, never gathered.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export function demultiplexer(): (chunk: Buffer) => Generator<Piece, void, undefined> {
  const header = Buffer.alloc(8)
  let filled = 0
  let left = 0
  let begins = true

  return function* (chunk) {
    let at = 0
    while (at < chunk.length) {
      if (filled < header.length) {
        const copied = chunk.copy(header, filled, at)
        filled += copied
        at += copied
        if (filled < header.length) return
        left = header.readUInt32BE(4)
        begins = true
      } else {
        const bytes = chunk.subarray(at, at + left)
        yield { stream: streamOf(header[0]!), begins, bytes }
        at += bytes.length
        left -= bytes.length
        begins = false
      }
      if (left === 0) filled = 0
    }
  }
}

function streamOf(type: number): Piece['stream'] {
  if (type === 0 || type === 1) return 'stdout'
  if (type === 2 || type === 3) return 'stderr'
  throw new Error(`The engine's stream is out of step: no stream ${type}`)
}
