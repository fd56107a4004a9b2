/**
 * Lengths of the codes of RFC 7541, appendix B, by byte; the last one ends a string, and may not be said. Codes of one length follow each
 * other in the order of their bytes, and shorter ones come first: so the lengths say all.
 */
const lengths = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
]

const end = 256
const fails = 0xffff
/** A step of four bits: the state after it, a byte that it completes, and whether a string may end there. */
const says = 1 << 16
const mayEnd = 1 << 17

/** By state and four bits: bits 0-7 the next state, 8-15 a byte; no code is shorter than five bits, so a step completes one at most. */
const steps = makeSteps()

/** Throws nothing: undefined is a string that is no proper one. `into` has room for 8/5 of its bytes. */
export function decode(bytes: Buffer, from: number, to: number, into: Buffer): number | undefined {
  let state = 0
  let length = 0
  let step = mayEnd
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!
    step = steps[(state << 4) | (byte >>> 4)]!
    if (step === fails) return undefined
    if ((step & says) !== 0) into[length++] = (step >>> 8) & 0xff
    state = step & 0xff
    step = steps[(state << 4) | (byte & 15)]!
    if (step === fails) return undefined
    if ((step & says) !== 0) into[length++] = (step >>> 8) & 0xff
    state = step & 0xff
  }
  return (step & mayEnd) !== 0 ? length : undefined
}

/** A point between two bits of a code: where each leads, a number of another point or, below zero, a byte. */
type Point = [number | undefined, number | undefined]

function makeSteps(): Uint32Array {
  const points = makePoints()
  // Padding is the beginning of the end's code: up to seven ones (RFC 7541 5.2).
  const endings = new Set<number>()
  for (let at = 0, ones = 0; ones <= 7; ones++) {
    endings.add(at)
    at = points[at]![1]!
  }
  const steps = new Uint32Array(points.length * 16)
  for (const [from] of points.entries()) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let at = from
      let said: number | undefined
      let failed = false
      for (let bit = 3; bit >= 0 && !failed; bit--) {
        const next = points[at]![(nibble >>> bit) & 1]
        failed = next === undefined || next === ~end
        if (next === undefined) break
        if (next < 0) said = ~next
        at = Math.max(next, 0)
      }
      steps[from * 16 + nibble] = failed
        ? fails
        : at | (said === undefined ? 0 : says | (said << 8)) | (endings.has(at) ? mayEnd : 0)
    }
  }
  return steps
}

function makePoints(): Point[] {
  const points: Point[] = [[undefined, undefined]]
  let code = 0
  for (let length = 1; length <= 30; length++) {
    code <<= 1
    for (const [byte, own] of lengths.entries()) {
      if (own !== length) continue
      let at = 0
      for (let bit = length - 1; bit > 0; bit--) {
        const way = (code >>> bit) & 1
        points[at]![way] ??= points.push([undefined, undefined]) - 1
        at = points[at]![way]!
      }
      points[at]![code & 1] = ~byte
      code++
    }
  }
  return points
}
