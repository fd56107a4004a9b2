import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import type { Test } from 'tap'

import { plainEnv } from '../../src/settings.ts'

export interface GitServer {
  readonly port: number
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Method and path of each request so far. */
  readonly asked: string[]
  /** What answers in place of git, when it does. */
  answers: (request: IncomingMessage, response: ServerResponse) => boolean
  /** What git's side gets in its environment: no `GIT_PROTOCOL` makes it speak version 0. */
  env: Record<string, string>
  /** A commit in the repository of that name, made when it is not there; `links` are submodules, path to commit. Answers its id. */
  commit(
    name: string,
    files: Record<string, string | Buffer>,
    links?: Record<string, string>,
  ): Promise<string>
  git(name: string, ...words: string[]): Promise<string>
}

/** git http-backend behind a real HTTP server, on loopback. */
export async function gitServer(t: Pick<Test, 'teardown'>): Promise<GitServer> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-http-'))
  const server = createServer((request, response) => {
    self.asked.push(`${request.method} ${request.url}`)
    if (!self.answers(request, response)) backend(dir, self.env, request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  const { port } = server.address() as AddressInfo
  const git = async (name: string, ...words: string[]) => {
    const { stdout } = await promisify(execFile)('git', words, {
      cwd: join(dir, `${name}.git`),
      env: { ...plainEnv(), ...author },
    })
    return stdout.trim()
  }
  const self: GitServer = {
    port,
    url: `http://127.0.0.1:${port}`,
    asked: [],
    answers: () => false,
    env: { GIT_PROTOCOL: 'version=2' },
    git,
    async commit(name, files, links = {}) {
      const folder = join(dir, `${name}.git`)
      await mkdir(folder, { recursive: true })
      await git(name, 'init', '-q', '-b', 'main')
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), content)
        await git(name, 'add', '--', path)
      }
      for (const [path, commit] of Object.entries(links))
        await git(name, 'update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
      await git(name, 'commit', '-q', '--allow-empty', '-m', 'change')
      return git(name, 'rev-parse', 'HEAD')
    },
  }
  return self
}

const author = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Bo',
  GIT_AUTHOR_EMAIL: 'bo@example.test',
  GIT_COMMITTER_NAME: 'Bo',
  GIT_COMMITTER_EMAIL: 'bo@example.test',
}

/** CGI, as far as git needs it (git-http-backend). */
function backend(
  dir: string,
  env: Record<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, search } = new URL(request.url!, 'http://x')
  const child = spawn('git', ['http-backend'], {
    env: {
      ...plainEnv(),
      ...env,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_PROJECT_ROOT: dir,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method!,
      PATH_INFO: pathname.replace(/^(\/[^/]+\.git)\//, '$1/.git/'),
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => {})
  request.pipe(child.stdin)
  request.on('close', () => request.complete || child.kill())
  let head: Buffer | undefined = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    if (!head) return void response.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    for (const line of head.subarray(0, end).toString().split('\r\n')) {
      const [name, value] = line.split(': ') as [string, string]
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.write(head.subarray(end + 4))
    head = undefined
  })
  child.stdout.on('end', () => response.end())
}
