import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

import { plainEnv, root } from '../settings.ts'

/** Everything a plugin's tests may import: `davit/plugin/testing`. */

/** How a command went. */
export interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A whole Davit of the test's own, with the plugin in it. `await using` ends it and takes away all it made. */
export interface Sandbox extends AsyncDisposable {
  /** A command as an admin would type it, word by word: `davit('config:set', 'shop', 'A=b')`. */
  davit(...words: readonly string[]): Promise<Said>
  /** The same with something on stdin. */
  feed(input: string | Buffer, ...words: readonly string[]): Promise<Said>
  /** A commit with these files is pushed to the app, which is made when it is not there. Answers git's exit code and all that the pusher sees. */
  push(
    app: string,
    files: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number | null; readonly text: string }>
  /** What an app answers through the proxy. */
  get(host: string, path?: string): Promise<{ readonly status: number; readonly body: string }>
  /** Lines of the daemon's log so far, JSON each. */
  readonly log: readonly string[]
  close(): Promise<void>
}

/** Starts a Davit in a temporary folder, on ports of its own, and installs the plugin in `folder`. Throws when that is refused, with the reason. */
export async function sandbox(folder: string): Promise<Sandbox> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-plugin-'))
  const [ssh, http, https] = await freePorts()
  const instance = `plugin-${dir
    .slice(-6)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, 'x')}${process.pid}`
  const env = {
    ...plainEnv(),
    DAVIT_DATA: join(dir, 'data'),
    DAVIT_SOCKET: join(dir, 'admin.sock'),
    DAVIT_INSTANCE: instance,
    DAVIT_SSH_LISTEN: `127.0.0.1:${ssh}`,
    DAVIT_HTTP_LISTEN: `127.0.0.1:${http}`,
    DAVIT_HTTPS_LISTEN: `127.0.0.1:${https}`,
    DAVIT_DOMAIN: 'localhost',
    DAVIT_WORKERS: '1',
    DAVIT_ALLOW_LOCAL: '127.0.0.0/8,::1/128',
  }
  const feed = (input: string | Buffer, ...words: readonly string[]) =>
    run(join(root, 'scripts/davit'), words, { env, input })
  const log: string[] = []
  const up = spawn(join(root, 'scripts/davit'), ['up'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const key = join(dir, 'key')

  const box: Sandbox = {
    log,
    feed,
    davit: (...words) => feed('', ...words),
    push: (app, files) => push(app, files, { dir, env, url: `ssh://davit@127.0.0.1:${ssh}/${app}`, key }),
    get: (host, path = '/') => get(http!, host, path),
    async close() {
      await removeApps(box, up)
      await end(up)
      await rm(dir, { recursive: true, force: true })
    },
    [Symbol.asyncDispose]: () => box.close(),
  }
  try {
    await ready(up, log)
    await must(run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], { env }))
    await must(box.davit('ssh-keys:add', 'author', `${key}.pub`))
    await must(feed(await tarOf(folder), 'plugin:install', '-'))
    return box
  } catch (error) {
    await box.close()
    throw error
  }
}

async function ready(up: ChildProcess, log: string[]): Promise<void> {
  const started = Promise.withResolvers<void>()
  const hear = (line: string) => {
    log.push(line)
    if (line.includes('"msg":"ready: ')) started.resolve()
  }
  for (const stream of [up.stdout!, up.stderr!]) createInterface({ input: stream }).on('line', hear)
  up.once('exit', code =>
    started.reject(new Error(`Davit ended with ${code} before it was ready:\n${log.slice(-20).join('\n')}`)),
  )
  up.once('error', started.reject)
  await started.promise
}

/** Containers and images go with their apps. */
async function removeApps(box: Sandbox, up: ChildProcess): Promise<void> {
  if (up.exitCode !== null || up.signalCode !== null) return
  const { code, stdout } = await box.davit('--quiet', 'apps:list')
  if (code !== 0) return
  for (const app of stdout.split('\n').filter(Boolean)) await box.davit('--force', 'apps:destroy', app)
}

async function end(up: ChildProcess): Promise<void> {
  if (up.pid === undefined || up.exitCode !== null || up.signalCode !== null) return
  up.kill('SIGTERM')
  await once(up, 'exit')
}

interface Pushing {
  readonly dir: string
  readonly env: Record<string, string>
  readonly url: string
  readonly key: string
}

async function push(app: string, files: Readonly<Record<string, string>>, { dir, env, url, key }: Pushing) {
  const checkout = join(dir, `checkout-${app}`)
  const git = (...words: string[]) =>
    run('git', ['-c', 'user.name=Author', '-c', 'user.email=author@example.test', ...words], {
      cwd: checkout,
      env: {
        ...env,
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_SSH_COMMAND: `ssh -F /dev/null -i ${key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=${dir}/known_hosts -o LogLevel=ERROR`,
      },
    })
  await mkdir(checkout, { recursive: true })
  await must(git('init', '-q', '-b', 'main'))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(checkout, path)), { recursive: true })
    await writeFile(join(checkout, path), text)
  }
  await must(git('add', '-A'))
  await must(git('commit', '-q', '--allow-empty', '-m', 'A change'))
  const { code, stdout, stderr } = await git('push', url, 'main')
  return { code, text: stdout + stderr }
}

function get(port: number, host: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', chunk => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, body })).on('error', reject)
    })
      .on('error', reject)
      .end()
  })
}

async function tarOf(folder: string): Promise<Buffer> {
  const child = spawn('tar', ['-c', '--exclude=./node_modules', '--exclude=./.git', '-C', folder, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return Buffer.concat(await Array.fromAsync(child.stdout as AsyncIterable<Buffer>))
}

interface Running {
  readonly env: Record<string, string>
  readonly cwd?: string
  readonly input?: string | Buffer
}

async function run(
  program: string,
  words: readonly string[],
  { env, cwd, input = '' }: Running,
): Promise<Said> {
  const child = spawn(program, words, { env, ...(cwd ? { cwd } : {}), stdio: 'pipe' })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', chunk => {
      said[name] += chunk
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...said }
}

async function must(work: Promise<Said>): Promise<void> {
  const { code, stdout, stderr } = await work
  if (code !== 0) throw new Error(`${stdout}${stderr}`.trim())
}

async function freePorts(): Promise<readonly number[]> {
  const servers = [0, 0, 0].map(() => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(each => once(each, 'listening')))
  const ports = servers.map(each => (each.address() as { port: number }).port)
  await Promise.all(servers.map(each => new Promise(resolve => each.close(resolve))))
  return ports
}
