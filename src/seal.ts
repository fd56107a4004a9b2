import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

import { UserError } from './errors.ts'

/** Where a value lives: table, row, column. A value opens in its own place only, so that rows cannot be swapped. */
export type Place = readonly (string | number)[]

export interface Seal {
  seal(plain: string, place: Place): Buffer
  /** UserError `seal-broken` when the value was changed, moved, or sealed with another key. */
  open(sealed: Uint8Array, place: Place): string
}

const keyBytes = 32

/**
 * Reads the key; with `make` one is made when there is none.
 * UserError `key-missing`, `key-loose` (others may read it), `key-damaged` (not 32 bytes).
 */
export function openSeal(keyFile: string, { make }: { make: boolean }): Seal {
  const key = readKey(keyFile) ?? (make ? makeKey(keyFile) : undefined)
  if (!key) throw keyMissing(keyFile)
  return {
    seal: (plain, place) => seal(key, plain, place),
    open: (sealed, place) => open(key, sealed, place),
  }
}

// The first byte says how the rest is made: 1 is AES-256-GCM (NIST SP 800-38D), nonce, tag, ciphertext.
const version = 1
const nonceBytes = 12
const tagBytes = 16
const headBytes = 1 + nonceBytes + tagBytes

function seal(key: Buffer, plain: string, place: Place): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(bound(place))
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), body])
}

function open(key: Buffer, sealed: Uint8Array, place: Place): string {
  if (sealed[0] !== version || sealed.length < headBytes) throw broken(place)
  const nonce = sealed.subarray(1, 1 + nonceBytes)
  const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(bound(place)).setAuthTag(sealed.subarray(1 + nonceBytes, headBytes))
  const plain = cipher.update(sealed.subarray(headBytes))
  try {
    return Buffer.concat([plain, cipher.final()]).toString('utf8')
  } catch (cause) {
    throw broken(place, cause)
  }
}

function bound(place: Place): Buffer {
  return Buffer.from(JSON.stringify([version, ...place]))
}

function broken(place: Place, cause?: unknown): UserError {
  return new UserError(
    'seal-broken',
    `The sealed value at ${place.join('/')} was changed, moved, or sealed with another key.`,
    'Restore the store from a backup.',
    { cause },
  )
}

function readKey(file: string): Buffer | undefined {
  const descriptor = openIfThere(file)
  if (descriptor === undefined) return undefined
  try {
    const stat = fstatSync(descriptor)
    if (stat.mode & 0o077) throw keyLoose(file)
    if (!stat.isFile() || stat.size !== keyBytes) throw keyDamaged(file)
    return readFileSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function openIfThere(file: string): number | undefined {
  try {
    // O_NONBLOCK, because opening a pipe that was put there would otherwise wait for ever.
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Written beside its place and linked into it whole: a kill leaves no half key, and of two makers one wins. */
function makeKey(file: string): Buffer {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeDurably(draft, randomBytes(keyBytes))
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  syncFolder(dirname(file))
  return readKey(file)!
}

function writeDurably(file: string, bytes: Buffer): void {
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    fchmodSync(descriptor, 0o600)
    writeSync(descriptor, bytes)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function keyLoose(file: string): UserError {
  return new UserError(
    'key-loose',
    `Others on this host may read ${file}.`,
    `Close it with: chmod 600 ${file}`,
  )
}

function keyDamaged(file: string): UserError {
  return new UserError(
    'key-damaged',
    `${file} is not a key: a key is a file of ${keyBytes} bytes.`,
    'Put the key back from a backup.',
  )
}

function keyMissing(file: string): UserError {
  return new UserError(
    'key-missing',
    `The store is sealed, and its key ${file} is gone.`,
    'Put the key back from a backup. Without it nothing that is sealed can be read.',
  )
}
