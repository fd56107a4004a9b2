import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import t from 'tap'

import { isSignedBy, readKey } from '../../src/ssh/identity.ts'

const folder = mkdtempSync(join(tmpdir(), 'davit-keys-'))
t.teardown(() => rmSync(folder, { recursive: true }))

function make(type: string, bits?: number): { path: string; text: string } {
  const path = join(folder, `${type}-${bits ?? ''}`)
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...(bits ? ['-b', `${bits}`] : []),
    '-N',
    '',
    '-C',
    'me@home',
    '-f',
    path,
  ])
  return { path, text: readFileSync(`${path}.pub`, 'utf8') }
}

const plain = make('ed25519').text

t.test('every usual kind of key is read as ssh-keygen reads it', async t => {
  for (const [type, bits] of [
    ['ed25519'],
    ['ecdsa', 256],
    ['ecdsa', 384],
    ['ecdsa', 521],
    ['rsa', 2048],
  ] as const) {
    const { path, text } =
      type === 'ed25519' ? { path: join(folder, 'ed25519-'), text: plain } : make(type, bits)
    const listed = execFileSync('ssh-keygen', ['-lf', `${path}.pub`], { encoding: 'utf8' })
    const key = readKey(text)
    t.equal(key.fingerprint, listed.split(' ')[1])
    t.equal(`${key.type} ${key.blob} me@home`, text.trim())
    t.equal(key.comment, 'me@home')
  }
})

t.test('blank lines, remarks, line ends of Windows and a byte order mark do no harm', async t => {
  t.equal(readKey(`\uFEFF# mine\r\n\r\n  ${plain.trim()}\r\n`).fingerprint, readKey(plain).fingerprint)
  t.equal(readKey(plain.replace('me@home', 'a \x1b[31mb\u202e')).comment, 'a [31mb')
})

t.test('what is not one good public key is called by its name', async t => {
  const [type, blob] = plain.split(' ') as [string, string]
  const refused = (text: string, code: string) =>
    t.throws(() => readKey(text), { name: 'UserError', code }, `${code}: ${text.slice(0, 30)}`)
  refused('', 'key-missing')
  refused('# nothing\n\n', 'key-missing')
  refused(`${plain}${plain}`, 'key-several')
  refused(readFileSync(join(folder, 'ed25519-'), 'utf8'), 'key-private')
  refused('-----BEGIN RSA PRIVATE KEY-----\nMIIE\n', 'key-private')
  refused('PuTTY-User-Key-File-3: ssh-ed25519\n', 'key-private')
  refused('---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n', 'key-format')
  refused('-----BEGIN PUBLIC KEY-----\nAAAA\n', 'key-format')
  refused('hello there', 'key-format')
  refused('x'.repeat(100_000), 'key-format')
  refused(make('rsa', 1024).text, 'key-short')
  refused(dsa(), 'key-dsa')
  refused(hardware(), 'key-hardware')
  refused(`command="x y",no-pty ${plain}`, 'key-options')
  refused(`no-pty ${plain}`, 'key-options')
  refused(`${type} ${blob.slice(0, 40)}`, 'key-broken')
  refused(`${type} ${blob}AAAA`, 'key-broken')
  refused(`${type} ${blob.slice(0, 30)}\n${blob.slice(30)}`, 'key-broken')
  refused(`ssh-rsa ${blob} x`, 'key-broken')
  refused(type, 'key-format')
})

t.test('only the signature of the very key over the very data counts', async t => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const blob = blobOf(privateKey.export({ format: 'jwk' }).x!)
  const data = Buffer.from('session and request')
  const signature = sign(null, data, privateKey)
  t.equal(isSignedBy(blob, { hash: undefined, data, signature }), true)
  t.equal(isSignedBy(blob, { hash: undefined, data: Buffer.from('another'), signature }), false)
  t.equal(isSignedBy(blob, { hash: undefined, data, signature: Buffer.alloc(64) }), false)
  t.equal(isSignedBy(blob, { hash: undefined, data, signature: Buffer.alloc(0) }), false)
})

t.test('an RSA signature counts with SHA-2 only', async t => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n, e } = privateKey.export({ format: 'jwk' })
  const blob = Buffer.concat([string('ssh-rsa'), string(mpint(e!)), string(mpint(n!))])
  const data = Buffer.from('session and request')
  t.equal(isSignedBy(blob, { hash: 'sha256', data, signature: sign('sha256', data, privateKey) }), true)
  t.equal(isSignedBy(blob, { hash: 'sha512', data, signature: sign('sha512', data, privateKey) }), true)
  t.equal(isSignedBy(blob, { hash: undefined, data, signature: sign('sha1', data, privateKey) }), false)
  t.equal(isSignedBy(blob, { hash: 'sha1', data, signature: sign('sha1', data, privateKey) }), false)
})

function dsa(): string {
  const fields = ['ssh-dss', 'p', 'q', 'g', 'y'].map(string)
  return `ssh-dss ${Buffer.concat(fields).toString('base64')} old`
}

function hardware(): string {
  const type = 'sk-ssh-ed25519@openssh.com'
  return `${type} ${Buffer.concat([string(type), string(Buffer.alloc(32)), string('ssh:')]).toString('base64')}`
}

function blobOf(x: string): Buffer {
  return Buffer.concat([string('ssh-ed25519'), string(Buffer.from(x, 'base64url'))])
}

function mpint(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, 'base64url')
  return bytes[0]! & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
