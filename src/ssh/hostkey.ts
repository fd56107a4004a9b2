import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { UserError } from '../errors.ts'

/**
 * The host's Ed25519 key, as OpenSSH keeps it, in `<folder>/ssh_host_ed25519_key`; made at the first call.
 * Throws UserError `host-key-loose` when others than its owner can read it.
 */
export async function ensureHostKey(folder: string): Promise<string> {
  const path = join(folder, 'ssh_host_ed25519_key')
  const found = await readGuarded(path)
  if (found !== undefined) return found
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await place(folder, path, opensshKey())
  return (await readGuarded(path))!
}

async function readGuarded(path: string): Promise<string | undefined> {
  const file = await openThere(path)
  if (!file) return undefined
  try {
    const { mode } = await file.stat()
    if (mode & 0o077) {
      throw new UserError(
        'host-key-loose',
        `Others can read the host key ${path}.`,
        `Close it with: chmod 600 ${path}`,
      )
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

// Written aside and linked into place: a kill leaves no half key, and of two that start at once the first one's key stays.
async function place(folder: string, path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.new`
  const file = await open(aside, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await link(aside, path).catch(error => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
  await rm(aside)
  const directory = await open(folder, constants.O_RDONLY)
  await directory.sync().finally(() => directory.close())
}

/** A new key in the form of OpenSSH's PROTOCOL.key, without a passphrase. */
function opensshKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d, x } = privateKey.export({ format: 'jwk' })
  const seed = Buffer.from(d!, 'base64url')
  const point = Buffer.from(x!, 'base64url')
  const check = randomBytes(4)
  const secret = Buffer.concat([
    check,
    check,
    string('ssh-ed25519'),
    string(point),
    string(Buffer.concat([seed, point])),
    string('davit'),
  ])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, at) => at + 1))
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0', 'latin1'),
    string('none'),
    string('none'),
    string(''),
    Buffer.from([0, 0, 0, 1]),
    string(Buffer.concat([string('ssh-ed25519'), string(point)])),
    string(Buffer.concat([secret, padding])),
  ])
  const lines = whole.toString('base64').match(/.{1,70}/g)!
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n')
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string, 'latin1')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
