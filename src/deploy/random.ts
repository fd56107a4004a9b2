import { randomBytes } from 'node:crypto'

/** For names that need to be unlike any other: so many hex digits. */
export function randomHex(digits: number): string {
  return randomBytes(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits)
}
