/** A scrypt hash in parts: `$scrypt$ln=14,r=8,p=1$SALT$HASH`, base64 without padding. */
export interface PasswordHash {
  readonly cost: number
  readonly blockSize: number
  readonly parallel: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** What one check may take of the proxy's memory. */
const mostBytes = 64 * 1024 * 1024

/** Throws an Error on anything else, and on one that would cost too much. */
export function passwordHash(text: string): PasswordHash {
  const [, ln, r, p, salt, hash] =
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{8,200})\$([A-Za-z0-9+/]{22,200})$/.exec(
      text,
    ) ?? []
  if (salt === undefined || hash === undefined) throw new Error('a password is no scrypt hash')
  const read = { cost: 2 ** Number(ln), blockSize: Number(r), parallel: Number(p) }
  const { cost, blockSize, parallel } = read
  if (cost < 2 || blockSize < 1 || parallel < 1) throw new Error('a scrypt hash costs nothing')
  if (128 * cost * blockSize > mostBytes || parallel > 8) throw new Error('a scrypt hash costs too much')
  return { ...read, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}
