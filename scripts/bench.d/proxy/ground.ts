import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { plainEnv } from '../../../src/settings.ts'
import { freePort, run } from '../../../test/e2e/sandbox.ts'
import { succeeded } from '../answers.ts'
import { answers, startServer } from './server.ts'
import { fill } from './template.ts'

/** What all proxies stand on: a folder, a certificate, and the apps behind them. */
export interface Ground {
  readonly dir: string
  /** Processes or threads that each proxy serves with. */
  readonly workers: number
  /** Port of the app that answers GETs: `/small`, `/1k`, `/100k`, `/10m`. */
  readonly backend: number
  /** Port of the app that takes bodies and echoes WebSockets. */
  readonly speaker: number
  readonly certificate: { readonly cert: string; readonly key: string }
  /** Ends the load generators; nothing is started any more. */
  readonly signal: AbortSignal
  /** What to do at the end, last first. */
  readonly undo: (() => Promise<unknown>)[]
}

/** Hosts that every proxy knows; `secure` is the one with a certificate, and a name that resolves everywhere. */
export const hosts = { app: 'app.test', secure: 'localhost', speaker: 'speaker.test' }

export const routeNames = (count: number) => Array.from({ length: count }, (_, at) => `r${at}.test`)

export async function makeGround({
  workers,
  signal,
  undo,
}: Pick<Ground, 'workers' | 'signal' | 'undo'>): Promise<Ground> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-bench-'))
  undo.push(() => rm(dir, { recursive: true, force: true }))
  // nginx's workers are another user, who reads the bodies.
  await chmod(dir, 0o755)
  const certificate = await makeCertificate(dir)
  const bodies = await makeBodies(dir)
  const [backend, speaker] = [await freePort(), await freePort()]
  await mkdir(join(dir, 'temp-backend'))
  const config = await configure('backend.conf', join(dir, 'backend.conf'), {
    values: { DIR: dir, PORT: String(backend), BODIES: bodies },
  })
  const app = {
    program: '/usr/sbin/nginx',
    words: ['-e', join(dir, 'backend.log'), '-c', config],
    log: join(dir, 'backend.log'),
    ready: () => answers(backend, hosts.app),
  }
  const talker = {
    program: process.execPath,
    words: [join(import.meta.dirname, 'speaker.ts'), String(speaker)],
    log: join(dir, 'speaker.log'),
    ready: () => answers(speaker, hosts.speaker),
  }
  for (const each of [app, talker]) await startServer({ ...each, env: plainEnv() }, { undo, signal })
  return { dir, workers, backend, speaker, certificate, signal, undo }
}

/** Writes a template of ../peers with its values and answers where to. */
export async function configure(
  template: string,
  path: string,
  { values, routes = [] }: { values: Record<string, string>; routes?: readonly string[] },
): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../peers', template), 'utf8')
  await writeFile(path, fill(text, values, routes))
  return path
}

/** Signed by its own key, which is as most certificates' keys are today: P-256. */
async function makeCertificate(dir: string): Promise<Ground['certificate']> {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const name = ['-subj', `/CN=${hosts.secure}`, '-addext', `subjectAltName=DNS:${hosts.secure}`]
  await succeeded(run('openssl', ['req', ...kind, ...name, '-keyout', key, '-out', cert]))
  const text = { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
  await writeFile(join(dir, 'both.pem'), text.cert + text.key, { mode: 0o600 })
  return text
}

/** Bytes that no compression makes smaller. */
async function makeBodies(dir: string): Promise<string> {
  const folder = join(dir, 'bodies')
  await mkdir(folder)
  const sizes = { '1k': 1024, '100k': 100 * 1024, '10m': 10 * 1024 ** 2 }
  for (const [name, size] of Object.entries(sizes)) await writeFile(join(folder, name), randomBytes(size))
  return folder
}
