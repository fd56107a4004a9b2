import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** 16 MB and some 50 ms for each guess. */
const ln = 14

/** As a route has it: `$scrypt$ln=14,r=8,p=1$SALT$HASH`. */
export async function hashOf(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, 32, { cost: 2 ** ln, blockSize: 8, parallelization: 1 })
  return `$scrypt$ln=${ln},r=8,p=1$${plain(salt)}$${plain(hash)}`
}

function plain(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
