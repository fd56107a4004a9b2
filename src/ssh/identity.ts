import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

import { UserError } from '../errors.ts'

/** A key someone may sign in with. `blob` is base64 as in an authorized_keys line; `fingerprint` is `SHA256:…`. */
export interface PublicKey {
  readonly type: string
  readonly blob: string
  readonly fingerprint: string
  readonly comment: string
}

/** One key as a person hands it over: the text of a .pub file. Throws UserError `key-…` that says what else it is. */
export function readKey(text: string): PublicKey {
  refuseOtherFiles(text)
  const [line, ...more] = text
    .replace(/^\uFEFF/, '')
    .split(/[\r\n]+/)
    .map(each => each.trim())
    .filter(each => each && !each.startsWith('#'))
  if (line === undefined) throw new UserError('key-missing', 'There is no key here.', sendOne)
  if (more.some(other => typeAndBlob.test(other))) {
    throw new UserError('key-several', `These are ${more.length + 1} keys.`, 'Add one key at a time.')
  }
  if (more.length) throw keyLike.test(line) ? broken() : notKey()
  return readLine(line)
}

/** The key inside a blob (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4), read strictly. Throws UserError `key-…`. */
export function openBlob(blob: Buffer): { type: string; key: KeyObject } {
  const [type, ...fields] = strings(blob)
  const name = type?.toString('latin1') ?? ''
  if (!accepts(name)) throw refusal(name)
  return { type: name, key: keyOf(name, fields) }
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

export interface Signed {
  /** What ssh2 read from the request: `sha256` or `sha512` for RSA (RFC 8332), undefined otherwise. */
  readonly hash: string | undefined
  readonly data: Buffer
  /** ECDSA in DER form, the others as they came. */
  readonly signature: Buffer
}

/** True only when the key made this signature. RSA with SHA-1 never does. */
export function isSignedBy(blob: Buffer, { hash, data, signature }: Signed): boolean {
  const { type, key } = openBlob(blob)
  if (type === 'ssh-ed25519') return verify(null, data, key, signature)
  const curve = curves[type]
  if (curve) return verify(curve.hash, data, { key, dsaEncoding: 'der' }, signature)
  if (hash !== 'sha256' && hash !== 'sha512') return false
  return verify(hash, data, key, padded(signature, key))
}

const sendOne = 'Send one on stdin, for example: ssh-keys:add NAME < ~/.ssh/id_ed25519.pub'
const typeAndBlob = /(?:^|\s)([a-z0-9@.-]+)\s+(AAAA[A-Za-z0-9+/]+={0,2})(?:\s+(.*))?$/

const keyLike = /^(ssh-|ecdsa-|sk-)\S+\s/

const curves: Readonly<Record<string, { name: string; jwk: string; bytes: number; hash: string }>> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', jwk: 'P-256', bytes: 32, hash: 'sha256' },
  'ecdsa-sha2-nistp384': { name: 'nistp384', jwk: 'P-384', bytes: 48, hash: 'sha384' },
  'ecdsa-sha2-nistp521': { name: 'nistp521', jwk: 'P-521', bytes: 66, hash: 'sha512' },
}

function refuseOtherFiles(text: string): void {
  if (text.length > 64 * 1024) throw notKey()
  if (/PRIVATE KEY-----|^PuTTY-User-Key-File-/m.test(text)) {
    throw new UserError(
      'key-private',
      'This is a private key. It belongs on your machine and nowhere else.',
      'Send the file that ends in .pub; if others could see this one, make a new key.',
    )
  }
  if (/^-{4,5} ?BEGIN /m.test(text)) {
    throw new UserError(
      'key-format',
      'This key is in another format.',
      'Convert it with: ssh-keygen -i -f FILE',
    )
  }
}

function readLine(line: string): PublicKey {
  const [, type, base64, comment] = typeAndBlob.exec(line) ?? []
  if (type === undefined || base64 === undefined) {
    throw keyLike.test(line) ? broken() : notKey()
  }
  if (!line.startsWith(type)) {
    throw new UserError(
      'key-options',
      'There are options in front of the key. Davit would not keep them.',
      `Send the line from ${type} on; what a person may do is set by their role.`,
    )
  }
  if (!accepts(type)) throw refusal(type)
  const blob = Buffer.from(base64, 'base64')
  if (openBlob(blob).type !== type) throw broken()
  return {
    type,
    blob: blob.toString('base64'),
    fingerprint: fingerprintOf(blob),
    comment: printable(comment ?? ''),
  }
}

function accepts(type: string): boolean {
  return type === 'ssh-ed25519' || type === 'ssh-rsa' || Object.hasOwn(curves, type)
}

function refusal(type: string): UserError {
  const advice = 'Make one with: ssh-keygen -t ed25519'
  if (type.includes('-cert-')) {
    return new UserError('key-certificate', 'This is a certificate, not a key.', 'Send the key it certifies.')
  }
  if (type.startsWith('sk-')) {
    return new UserError('key-hardware', 'Keys of security tokens (sk-…) cannot sign in yet.', advice)
  }
  if (type === 'ssh-dss') return new UserError('key-dsa', 'DSA keys are no longer safe.', advice)
  return /^(ssh-|ecdsa-)/.test(type)
    ? new UserError('key-type', `Keys of the type ${printable(type).slice(0, 64)} cannot sign in.`, advice)
    : notKey()
}

function keyOf(type: string, fields: readonly Buffer[]): KeyObject {
  if (type === 'ssh-rsa') return rsa(fields)
  const curve = curves[type]
  return curve ? ecdsa(curve, fields) : ed25519(fields)
}

function ed25519(fields: readonly Buffer[]): KeyObject {
  const [point] = exactly(fields, 1)
  if (point!.length !== 32) throw broken()
  return fromJwk({ kty: 'OKP', crv: 'Ed25519', x: point!.toString('base64url') })
}

function ecdsa(curve: { name: string; jwk: string; bytes: number }, fields: readonly Buffer[]): KeyObject {
  const [name, point] = exactly(fields, 2)
  if (name!.toString('latin1') !== curve.name) throw broken()
  if (point!.length !== 1 + 2 * curve.bytes || point![0] !== 4) throw broken()
  return fromJwk({
    kty: 'EC',
    crv: curve.jwk,
    x: point!.subarray(1, 1 + curve.bytes).toString('base64url'),
    y: point!.subarray(1 + curve.bytes).toString('base64url'),
  })
}

function rsa(fields: readonly Buffer[]): KeyObject {
  const [e, n] = exactly(fields, 2).map(positive)
  const bits = n!.length * 8 - Math.clz32(n![0]!) + 24
  if (bits < 2048) {
    throw new UserError(
      'key-short',
      `This RSA key has ${bits} bits; 2048 are the least that is safe.`,
      'Make one with: ssh-keygen -t ed25519',
    )
  }
  if (bits > 16384 || e!.length > 8 || !(e![e!.length - 1]! & 1) || (e!.length === 1 && e![0]! < 3))
    throw broken()
  return fromJwk({ kty: 'RSA', n: n!.toString('base64url'), e: e!.toString('base64url') })
}

/** An mpint (RFC 4251 5) without its sign byte; zero and negative numbers are in no key. */
function positive(mpint: Buffer): Buffer {
  const number = mpint[0] === 0 ? mpint.subarray(1) : mpint
  if (!number.length || number[0] === 0 || (number === mpint && mpint[0]! & 0x80)) throw broken()
  return number
}

function strings(blob: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < blob.length; ) {
    if (blob.length - at < 4) throw broken()
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) throw broken()
    found.push(blob.subarray(at + 4, end))
    at = end
  }
  return found
}

function exactly(fields: readonly Buffer[], count: number): readonly Buffer[] {
  if (fields.length !== count) throw broken()
  return fields
}

function fromJwk(key: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    throw broken()
  }
}

// PuTTY's older versions leave out a signature's leading zeros, which OpenSSL insists on.
function padded(signature: Buffer, key: KeyObject): Buffer {
  const bytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  return signature.length < bytes
    ? Buffer.concat([Buffer.alloc(bytes - signature.length), signature])
    : signature
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '').trim()
}

function broken(): UserError {
  return new UserError(
    'key-broken',
    'This key is damaged or incomplete.',
    'Send the whole .pub file, on one line.',
  )
}

function notKey(): UserError {
  return new UserError('key-format', 'This is not a public key.', sendOne)
}
