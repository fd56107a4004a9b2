import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import pino from 'pino'
import type { Test } from 'tap'

import { plainEnv } from '../../src/settings.ts'
import type { FrontDoor, Limits, SshServer } from '../../src/ssh/front.ts'
import { ensureHostKey } from '../../src/ssh/hostkey.ts'
import { fingerprintOf } from '../../src/ssh/identity.ts'
import { serveSsh } from '../../src/ssh/server.ts'
import type { Identity } from '../../src/types.ts'

export interface Result {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface Door {
  readonly server: SshServer
  readonly folder: string
  /** The private key that `ssh` uses unless told. */
  readonly usual: string
  /** Makes a key pair that may sign in, and answers the private key's path. */
  key(kind: string, options?: { bits?: number; known?: boolean }): string
  /** Takes a key's identity away. */
  forget(path: string): void
  /** Runs the real OpenSSH client to its end. */
  ssh(words: readonly string[], options?: SshOptions): Promise<Result>
  start(words: readonly string[], options?: SshOptions): ChildProcess
}

export interface SshOptions {
  readonly key?: string
  readonly input?: Buffer | string
  readonly options?: readonly string[]
  readonly env?: Record<string, string>
}

/** A server on a free port with the keys it knows, gone with the test. */
export async function openDoor(
  t: Test,
  run: FrontDoor['run'],
  { limits = {}, log = pino({ level: 'silent' }) }: { limits?: Partial<Limits>; log?: pino.Logger } = {},
): Promise<Door> {
  const folder = mkdtempSync(join(tmpdir(), 'davit-ssh-'))
  const people = new Map<string, Identity>()
  const server = await serveSsh({
    listen: { host: '127.0.0.1', port: 0 },
    hostKey: await ensureHostKey(folder),
    findIdentity: fingerprint => people.get(fingerprint),
    run,
    limits,
    log,
  })
  t.teardown(async () => {
    await server.close({ graceMs: 0 })
    rmSync(folder, { recursive: true })
  })
  const fingerprint = (path: string) => {
    const [, blob = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ')
    return fingerprintOf(Buffer.from(blob, 'base64'))
  }
  let made = 0
  const key: Door['key'] = (kind, { bits, known = true } = {}) => {
    const path = join(folder, `key${made++}`)
    execFileSync('ssh-keygen', ['-q', '-t', kind, ...(bits ? ['-b', `${bits}`] : []), '-N', '', '-f', path])
    if (known) {
      people.set(fingerprint(path), { person: kind, key: fingerprint(path), role: 'admin' })
    }
    return path
  }
  const usual = key('ed25519')
  const start: Door['start'] = (words, { key = usual, options = [], env = {} } = {}) => {
    const argv = ['-F', '/dev/null', '-i', key, '-p', `${server.port}`, ...quiet(folder), ...options]
    const child = spawn('ssh', [...argv, 'davit@127.0.0.1', ...words], { env: { ...plainEnv(), ...env } })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  return {
    server,
    folder,
    usual,
    key,
    forget: path => void people.delete(fingerprint(path)),
    start,
    ssh: (words, options = {}) => ended(start(words, options), options.input),
  }
}

/** What a child printed, and its exit code; `input` is all it reads. */
export function ended(child: ChildProcess, input: Buffer | string = ''): Promise<Result> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', chunk => out.push(chunk))
  child.stderr?.on('data', chunk => err.push(chunk))
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() })
    })
  })
}

function quiet(folder: string): string[] {
  const options = [
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'BatchMode=yes',
    'LogLevel=ERROR',
    'StrictHostKeyChecking=no',
    `UserKnownHostsFile=${join(folder, 'known_hosts')}`,
  ]
  return options.flatMap(option => ['-o', option])
}
