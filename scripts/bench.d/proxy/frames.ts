/** WebSocket frames of at most 125 bytes, unfragmented (RFC 6455, 5.2). */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** The whole frames that bytes begin with, masked or not, and what is left of them. */
export function decodeSmall(bytes: Buffer): { readonly frames: readonly Frame[]; readonly left: Buffer } {
  const frames: Frame[] = []
  let at = 0
  for (let next = nextFrame(bytes, at); next !== undefined; next = nextFrame(bytes, at)) {
    frames.push(next.frame)
    at = next.end
  }
  return { frames, left: bytes.subarray(at) }
}

function nextFrame(bytes: Buffer, at: number): { frame: Frame; end: number } | undefined {
  const [first, second] = [bytes[at], bytes[at + 1]]
  if (first === undefined || second === undefined) return undefined
  const length = second & 0x7f
  if (length > 125) throw new Error('A frame is longer than was agreed')
  const begin = at + (second & 0x80 ? 6 : 2)
  const end = begin + length
  if (bytes.length < end) return undefined
  const payload = Buffer.from(bytes.subarray(begin, end))
  if (second & 0x80) {
    for (let each = 0; each < length; each++) payload[each]! ^= bytes[at + 2 + (each & 3)]!
  }
  return { frame: { opcode: first & 0x0f, payload }, end }
}

/** A server's frame is not masked, a client's is. */
export function encodeSmall(opcode: number, payload: Buffer, mask?: Buffer): Buffer {
  const head = Buffer.from([0x80 | opcode, payload.length | (mask ? 0x80 : 0)])
  if (!mask) return Buffer.concat([head, payload])
  const masked = Buffer.from(payload)
  for (let each = 0; each < masked.length; each++) masked[each]! ^= mask[each & 3]!
  return Buffer.concat([head, mask, masked])
}
