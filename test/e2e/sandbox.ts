import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Test } from 'tap'

import { openEngine } from '../../src/docker/dockerode.ts'
import type { Engine } from '../../src/docker/engine.ts'
import { plainEnv, root } from '../../src/settings.ts'

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A Davit of one's own: the real program with real sockets, on the shared engine under a name of its own. */
export interface Sandbox {
  readonly dir: string
  /** The data folder, within `dir` unless told otherwise. */
  readonly data: string
  readonly instance: string
  readonly engine: Engine
  readonly sshPort: number
  readonly httpPort: number
  readonly httpsPort: number
  /** `ssh davit LINE…` with the real client. */
  ssh(line: string, options?: { input?: string | Buffer }): Promise<Result>
  /** The same with its process, for what goes on until it is ended. */
  sshProcess(words: readonly string[]): ChildProcess
  /** A git checkout of a bundled app, with a remote `davit`. */
  checkout(fixture: string, app: string): Promise<Checkout>
  get(host: string, path?: string): Promise<{ status: number; body: string }>
  /** Starts the supervisor again after `stop`; `env` is for this life only. */
  start(env?: Record<string, string>): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Pid of the daemon, from its file. */
  daemonPid(): Promise<number>
  /** Settles at the next log line with this message. */
  logged(message: RegExp): Promise<void>
  /** Names of all containers, running or not, of this instance. */
  containers(): Promise<string[]>
  networks(): Promise<string[]>
  images(): Promise<string[]>
}

export interface Checkout {
  readonly dir: string
  write(path: string, text: string): Promise<void>
  commit(message: string): Promise<void>
  git(...words: string[]): Promise<Result>
  /** The same with its process, for what goes on until it is ended. */
  start(...words: string[]): ChildProcess
  /** `git push davit main`, both streams together as the pusher sees them. */
  push(...words: string[]): Promise<{ code: number | null; text: string }>
}

export interface SandboxOptions {
  /** Settings on top of the sandbox's own. */
  readonly env?: Record<string, string>
  /** Socket of the engine that the sandbox itself asks; DAVIT_DOCKER may lead Davit to it another way. */
  readonly docker?: string
}

/** A sandbox that ends with the test. */
export async function sandbox(t: Pick<Test, 'teardown'>, options: SandboxOptions = {}): Promise<Sandbox> {
  const box = await openSandbox(options)
  t.teardown(box.close)
  return box
}

/** `close` takes away all that was made, whatever state it is in. */
export async function openSandbox({
  env = {},
  docker,
}: SandboxOptions = {}): Promise<Sandbox & { close(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-e2e-'))
  const instance = `e2e-${dir
    .slice(-6)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, 'x')}${process.pid}`
  const [sshPort, httpPort, httpsPort] = await freePorts()
  const data = env.DAVIT_DATA ?? join(dir, 'data')
  const socketPath = docker ?? '/var/run/docker.sock'
  const engine = await openEngine({ socketPath, instance })
  const settings = {
    DAVIT_DATA: data,
    DAVIT_DOCKER: socketPath,
    DAVIT_SOCKET: join(dir, 'admin.sock'),
    DAVIT_INSTANCE: instance,
    DAVIT_SSH_LISTEN: `127.0.0.1:${sshPort}`,
    DAVIT_HTTP_LISTEN: `127.0.0.1:${httpPort}`,
    DAVIT_HTTPS_LISTEN: `127.0.0.1:${httpsPort}`,
    DAVIT_DOMAIN: 'localhost',
    DAVIT_ALLOW_LOCAL: '127.0.0.0/8,::1/128',
    ...env,
  }
  const davit = (words: readonly string[]) => run('scripts/davit', words, { cwd: root, env: settings })
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, 'key')])
  await writeFile(join(dir, 'ssh_config'), sshConfig(dir, sshPort))
  const sshWords = ['-F', join(dir, 'ssh_config'), 'davit']

  let up: Up | undefined
  const box: Sandbox = {
    dir,
    data,
    instance,
    engine,
    sshPort,
    httpPort,
    httpsPort,
    ssh: (line, { input } = {}) =>
      run('ssh', [...sshWords, ...(line ? ['--', line] : [])], input === undefined ? {} : { input }),
    sshProcess: words => spawn('ssh', [...sshWords.slice(0, 2), ...words], { stdio: 'pipe' }),
    checkout: (fixture, app) =>
      checkout(join(dir, `checkout-${app}`), { fixture, app, config: join(dir, 'ssh_config') }),
    get: (host, path = '/') => get(httpPort, host, path),
    async start(env = {}) {
      up = await startUp({ ...settings, ...env })
    },
    async stop(signal = 'SIGTERM') {
      await up?.stop(signal)
      up = undefined
    },
    daemonPid: async () => Number(await readFile(join(data, 'daemon.pid'), 'utf8')),
    logged: message => up!.logged(message),
    containers: async () =>
      (await engine.containers({ 'com.davit.instance': instance })).map(each => each.name).sort(),
    networks: async () =>
      (await engine.networks())
        .filter(each => each.labels['com.davit.instance'] === instance)
        .map(each => each.name)
        .filter(each => !each.startsWith(`${instance}_`))
        .sort(),
    images: async () =>
      (await engine.images({ 'com.davit.instance': instance })).flatMap(each => each.tags).sort(),
  }
  const close = async () => {
    await box.stop()
    await clean(box)
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await box.start()
    const added = await davit(['ssh-keys:add', 'ann', join(dir, 'key.pub')])
    if (added.code !== 0) throw new Error(`the key was not added: ${added.stderr}`)
  } catch (error) {
    await close()
    throw error
  }
  return { ...box, close }
}

async function clean({ engine, containers, networks, images }: Sandbox): Promise<void> {
  for (const name of await containers()) await engine.remove(name)
  for (const name of await networks()) await engine.removeNetwork(name)
  for (const tag of await images()) await engine.removeImage(tag)
}

interface Up {
  stop(signal: NodeJS.Signals): Promise<void>
  logged(message: RegExp): Promise<void>
}

async function startUp(settings: Record<string, string>): Promise<Up> {
  const child = spawn(join(root, 'scripts/davit'), ['up'], {
    env: { ...plainEnv(), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const waiting = new Set<(line: string) => void>()
  const hear = (line: string) => {
    lines.push(line)
    for (const each of [...waiting]) each(line)
  }
  createInterface({ input: child.stdout }).on('line', hear)
  createInterface({ input: child.stderr }).on('line', hear)
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const logged = (message: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const listener = (line: string) => {
        if (!message.test(line)) return
        waiting.delete(listener)
        resolve()
      }
      waiting.add(listener)
      void ended.then(() => reject(new Error(`davit up ended:\n${lines.slice(-20).join('\n')}`)))
    })
  await logged(/"msg":"ready: /)
  return {
    logged,
    async stop(signal) {
      child.kill(signal)
      await ended
    },
  }
}

async function checkout(
  dir: string,
  { fixture, app, config }: { fixture: string; app: string; config: string },
): Promise<Checkout> {
  await cp(join(root, 'test/fixtures/apps', fixture), dir, { recursive: true })
  const env = {
    GIT_SSH_COMMAND: `ssh -F ${config}`,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'Ann',
    GIT_AUTHOR_EMAIL: 'ann@example.com',
    GIT_COMMITTER_NAME: 'Ann',
    GIT_COMMITTER_EMAIL: 'ann@example.com',
  }
  const git = (...words: string[]) => run('git', words, { cwd: dir, env })
  const self: Checkout = {
    dir,
    git,
    start: (...words) => spawn('git', words, { cwd: dir, env: { ...plainEnv(), ...env }, stdio: 'pipe' }),
    async write(path, text) {
      await mkdir(join(dir, path, '..'), { recursive: true })
      await writeFile(join(dir, path), text)
    },
    async commit(message) {
      await git('add', '-A')
      await git('commit', '-qm', message)
    },
    async push(...words) {
      const { code, stdout, stderr } = await git('push', 'davit', ...(words.length > 0 ? words : ['main']))
      return { code, text: `${stdout}${stderr}` }
    },
  }
  await git('init', '-q', '-b', 'main')
  await git('remote', 'add', 'davit', `davit:${app}`)
  await self.commit('One')
  return self
}

interface RunOptions {
  readonly cwd?: string
  readonly env?: Record<string, string>
  readonly input?: string | Buffer
}

/** Runs a program to its end. */
export function run(
  file: string,
  words: readonly string[],
  { cwd, env = {}, input = '' }: RunOptions = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(cwd && file.includes('/') ? join(cwd, file) : file, words, {
      cwd,
      env: { ...plainEnv(), ...env },
      stdio: 'pipe',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.on('error', reject)
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}

/** One request to the proxy, on a connection of its own. */
function get(port: number, host: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers: { host }, agent: false })
    asked.on('error', reject)
    asked.on('response', async response => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve({ status: response.statusCode ?? 0, body })
    })
    asked.end()
  })
}

/** Three at once, so that they differ. */
async function freePorts(): Promise<[number, number, number]> {
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  return new Set(ports).size === 3 ? (ports as [number, number, number]) : freePorts()
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

function sshConfig(dir: string, port: number): string {
  return [
    'Host davit',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    '  User davit',
    `  IdentityFile ${join(dir, 'key')}`,
    '  IdentitiesOnly yes',
    '  StrictHostKeyChecking accept-new',
    `  UserKnownHostsFile ${join(dir, 'known_hosts')}`,
    '  LogLevel ERROR',
    '',
  ].join('\n')
}
