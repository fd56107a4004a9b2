import type { OnReadOpts } from 'node:net'

/** What a fresh connection reads at once, and what one reads that has much to say. */
const least = 16 * 1024
const most = 256 * 1024
/** After so many reads in a row that are far smaller than the memory, it gets less again: whoever trickles holds none. */
const smallMost = 8

/** Takes bytes as they come; true: what it was given is still needed. */
export type Ear = (bytes: Buffer) => boolean

export interface Reader extends OnReadOpts {
  readonly buffer: () => Buffer
  /** Whoever listens. While that is nobody, what comes is lost. */
  ear: Ear | undefined
}

/**
 * Reads a connection into the same memory again and again. Node's own way takes new memory for every read, and with large answers the
 * collector then costs as much as all the rest. What the client has not been sent when the next bytes may come keeps its memory, and they
 * get another.
 */
export function openReader(): Reader {
  let memory = Buffer.allocUnsafeSlow(least)
  let lent = false
  /** It was filled to its end: there may be more where that came from. */
  let full = false
  let small = 0

  const reader: Reader = {
    ear: undefined,
    buffer: () => {
      if (full && memory.length < most) memory = Buffer.allocUnsafeSlow(memory.length * 4)
      else if (small === smallMost) memory = Buffer.allocUnsafeSlow(least)
      else if (lent) memory = Buffer.allocUnsafeSlow(memory.length)
      lent = false
      full = false
      small %= smallMost
      return memory
    },
    callback: length => {
      full = length === memory.length
      if (memory.length > least) small = length < least ? small + 1 : 0
      lent = reader.ear?.(memory.subarray(0, length)) ?? false
      return true
    },
  }
  return reader
}
