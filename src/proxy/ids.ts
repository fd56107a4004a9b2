import { randomInt, randomUUID } from 'node:crypto'

/** So many have their beginning in common; then there is another one. */
const together = 2 ** 24
/** Odd, so that no two of them come to the same end. */
const stride = 0x9e3779b1

const hex = Array.from({ length: 4096 }, (_, at) => at.toString(16).padStart(3, '0'))

/**
 * Ids in the form of random UUIDs (RFC 9562 5.4), none of them like another's, whoever else makes some: their beginning is random. They are
 * no secrets, for whoever has seen one can guess others; that saves most of the time that randomUUID takes.
 */
export function openIds(): () => string {
  let start = ''
  let shift = 0
  let left = 0
  return () => {
    if (left === 0) {
      start = randomUUID().slice(0, -6)
      shift = randomInt(together)
      left = together
    }
    left--
    const end = (Math.imul(left, stride) + shift) & (together - 1)
    return start + hex[end >>> 12] + hex[end & 4095]
  }
}
