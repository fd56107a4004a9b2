import { randomBytes, scryptSync } from 'node:crypto'

/** Cheaper than what people get, so that the tests are quick. */
export function hashOf(password: string, ln = 10): string {
  const salt = randomBytes(16)
  const hash = scryptSync(password, salt, 32, {
    cost: 2 ** ln,
    blockSize: 8,
    parallelization: 1,
    maxmem: 2 ** 26,
  })
  const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  return `$scrypt$ln=${ln},r=8,p=1$${text(salt)}$${text(hash)}`
}
