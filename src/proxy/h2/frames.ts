/** Frames of HTTP/2 (RFC 9113 6), and the codes that streams and connections end with (7). */

export const kinds = {
  ...{ data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5 },
  ...{ ping: 6, goaway: 7, window: 8, continuation: 9 },
} as const

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const

export const codes = {
  ...{ none: 0, protocol: 1, internal: 2, flowControl: 3, streamClosed: 5, frameSize: 6 },
  ...{ refused: 7, cancel: 8, compression: 9, calm: 11 },
} as const

/** What neither side has said it takes more of (RFC 9113 6.5.2). */
export const frameMost = 16_384

export const headSize = 9

/** The bytes of a frame's head, as text. */
export function frameHead(length: number, kind: number, flags: number, stream: number): string {
  return String.fromCharCode(
    ...[length >>> 16, (length >>> 8) & 0xff, length & 0xff, kind, flags],
    ...[stream >>> 24, (stream >>> 16) & 0xff, (stream >>> 8) & 0xff, stream & 0xff],
  )
}

/** Four bytes, as text. */
export function number32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

/** A head, which goes on in other frames where it is long. */
export function headFrames(stream: number, block: string, ends: boolean): readonly string[] {
  const last = ends ? flags.endStream : 0
  const frames: string[] = []
  for (let at = 0; at === 0 || at < block.length; at += frameMost) {
    const part = block.slice(at, at + frameMost)
    const whole = at + frameMost >= block.length ? flags.endHeaders : 0
    const [kind, flag] = at === 0 ? [kinds.headers, last] : [kinds.continuation, 0]
    frames.push(frameHead(part.length, kind, flag | whole, stream) + part)
  }
  return frames
}

export function resetFrame(stream: number, code: number): string {
  return frameHead(4, kinds.reset, 0, stream) + number32(code)
}

/** `stream` 0: of all. */
export function windowFrame(stream: number, bytes: number): string {
  return frameHead(4, kinds.window, 0, stream) + number32(bytes)
}

/** `last`: of those that were taken. */
export function farewellFrame(last: number, code: number): string {
  return frameHead(8, kinds.goaway, 0, 0) + number32(last) + number32(code)
}

export function read32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** What the client has said leaves nothing to go on from: the connection ends with this code (RFC 9113 5.4.1). */
export class ConnectionError extends Error {
  readonly code: number

  constructor(code: number, why: string) {
    super(why)
    this.code = code
  }
}
