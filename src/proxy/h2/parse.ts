import { ConnectionError, codes, flags, frameMost, headSize, kinds, read32 } from './frames.ts'

/** Hears of frames in their order. What has no whole frame yet is kept for it, but bytes of bodies, which are passed on as they come. */
export interface FrameListener {
  /** A whole block of fields, with those of its continuations. */
  onBlock(stream: number, ends: boolean, bytes: Buffer, from: number, to: number): void
  /** A frame of so many bytes of a body, padding and all, begins. */
  onData(stream: number, length: number, ends: boolean): void
  onBytes(stream: number, bytes: Buffer): void
  onDataEnd(stream: number, ends: boolean): void
  /** Any other frame, its length not yet looked at. */
  onFrame(kind: number, flags: number, stream: number, payload: Buffer): void
  /** The stream is said to depend on itself (RFC 7540 5.3.1). */
  onSelfDependent(stream: number): void
}

/** Throws what ends the connection. */
export type Parse = (chunk: Buffer) => void

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Bytes of one block, and frames that it comes in: a head has at most half of that. */
const blockMost = 64 * 1024
const continuationsMost = 8

interface Block {
  readonly stream: number
  readonly ends: boolean
  readonly parts: Buffer[]
  size: number
}

interface Data {
  readonly stream: number
  readonly ends: boolean
  left: number
  padding: number
}

export function openParse(listener: FrameListener): Parse {
  let held: Buffer | undefined
  let greeted = false
  let begun = false
  let block: Block | undefined
  let data: Data | undefined

  /** Where the block begins and ends in its frame, past the padding and what there is of priorities. */
  const beginBlock = (bytes: Buffer, start: number, end: number, { flag, stream }: Said) => {
    let from = start
    let to = end
    if ((flag & flags.padded) !== 0) {
      if (from === to) throw new ConnectionError(codes.frameSize, 'padding is missing')
      to -= bytes[from++]!
    }
    const prioritised = (flag & flags.priority) !== 0
    if (prioritised) from += 5
    if (from > to) throw new ConnectionError(codes.protocol, 'more padding than there is room')
    if (stream === 0) throw new ConnectionError(codes.protocol, 'fields of no stream')
    const ends = (flag & flags.endStream) !== 0
    if (prioritised && (read32(bytes, from - 5) & 0x7fffffff) === stream) listener.onSelfDependent(stream)
    if ((flag & flags.endHeaders) !== 0) return listener.onBlock(stream, ends, bytes, from, to)
    block = { stream, ends, parts: [Buffer.from(bytes.subarray(from, to))], size: to - from }
  }
  const goOn = (bytes: Buffer, start: number, end: number, { flag, stream }: Said) => {
    if (block?.stream !== stream) throw new ConnectionError(codes.protocol, 'a continuation of nothing')
    block.parts.push(Buffer.from(bytes.subarray(start, end)))
    block.size += end - start
    if (block.size > blockMost || block.parts.length > continuationsMost + 1)
      throw new ConnectionError(codes.calm, 'a head without end')
    if ((flag & flags.endHeaders) === 0) return
    const { ends, parts, size } = block
    block = undefined
    listener.onBlock(stream, ends, Buffer.concat(parts), 0, size)
  }
  /** Answers how many bytes have gone; 0: it is not yet known how long the padding is. */
  const beginData = (bytes: Buffer, at: number, length: number, { flag, stream }: Said): number => {
    if (stream === 0) throw new ConnectionError(codes.protocol, 'data of no stream')
    const padded = (flag & flags.padded) !== 0
    if (padded && length === 0) throw new ConnectionError(codes.frameSize, 'padding is missing')
    if (padded && at + headSize >= bytes.length) return 0
    const padding = padded ? bytes[at + headSize]! : 0
    if (padded && padding >= length)
      throw new ConnectionError(codes.protocol, 'more padding than there is room')
    const left = length - padding - (padded ? 1 : 0)
    const ends = (flag & flags.endStream) !== 0
    data = { stream, ends, left, padding }
    listener.onData(stream, length, ends)
    return headSize + (padded ? 1 : 0)
  }
  /** Answers how far it came. */
  const passData = (bytes: Buffer, from: number, of: Data): number => {
    let at = from
    if (of.left > 0) {
      const to = Math.min(bytes.length, at + of.left)
      of.left -= to - at
      if (to > at) listener.onBytes(of.stream, bytes.subarray(at, to))
      at = to
    }
    if (of.left > 0) return at
    const skipped = Math.min(of.padding, bytes.length - at)
    of.padding -= skipped
    if (of.padding > 0) return at + skipped
    data = undefined
    listener.onDataEnd(of.stream, of.ends)
    return at + skipped
  }
  const greet = (bytes: Buffer): number => {
    const size = Math.min(bytes.length, preface.length)
    if (preface.compare(bytes, 0, size, 0, size) !== 0)
      throw new ConnectionError(codes.protocol, 'it does not begin as HTTP/2 does')
    greeted = size === preface.length
    return greeted ? size : 0
  }

  return chunk => {
    const bytes = held ? Buffer.concat([held, chunk]) : chunk
    held = undefined
    let at = greeted ? 0 : greet(bytes)
    while (greeted) {
      if (data) {
        if (at === bytes.length && data.left + data.padding > 0) break
        at = passData(bytes, at, data)
        continue
      }
      if (bytes.length - at < headSize) break
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
      const kind = bytes[at + 3]!
      const flag = bytes[at + 4]!
      const stream = read32(bytes, at + 5) & 0x7fffffff
      if (length > frameMost) throw new ConnectionError(codes.frameSize, 'a frame is too large')
      if (!begun && (kind !== kinds.settings || (flag & flags.ack) !== 0))
        throw new ConnectionError(codes.protocol, 'settings come first')
      begun = true
      if (block && kind !== kinds.continuation)
        throw new ConnectionError(codes.protocol, 'something in the middle of a head')
      if (kind === kinds.data) {
        const gone = beginData(bytes, at, length, { flag, stream })
        if (gone === 0) break
        at += gone
        continue
      }
      if (bytes.length - at < headSize + length) break
      const start = at + headSize
      at = start + length
      if (kind === kinds.headers) beginBlock(bytes, start, at, { flag, stream })
      else if (kind === kinds.continuation) goOn(bytes, start, at, { flag, stream })
      else listener.onFrame(kind, flag, stream, bytes.subarray(start, at))
    }
    // A copy: the memory that it came in is far larger.
    if (at < bytes.length) held = Buffer.from(bytes.subarray(at))
  }
}

interface Said {
  readonly flag: number
  readonly stream: number
}
