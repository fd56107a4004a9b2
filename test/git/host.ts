import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { PassThrough, Writable } from 'node:stream'

import pino from 'pino'
import type { Test } from 'tap'

import type { Accept, GitStreams } from '../../src/git/push.ts'
import { type Limits, openRepositories } from '../../src/git/repo.ts'
import { createOutbound, type Reach } from '../../src/outbound.ts'
import { plainEnv } from '../../src/settings.ts'

export const hooks = resolve(import.meta.dirname, '../../scripts/git-hooks')

interface Answer {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Repositories behind a socket that the real git client reaches through bridge.ts, and a clone to push from. */
export async function host(
  t: Test,
  {
    limits,
    env,
    hooks: folderOfHooks = hooks,
    reach = createOutbound({ allowed: ['127.0.0.0/8'] }),
  }: { limits?: Partial<Limits>; env?: NodeJS.ProcessEnv; hooks?: string; reach?: Reach } = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'davit-git-'))
  const folder = join(dir, 'git')
  const repositories = openRepositories({
    folder,
    hooks: folderOfHooks,
    env: { ...plainEnv(), ...env } as Record<string, string>,
    log: pino({ level: 'silent' }),
    reach,
    limits,
  })
  await repositories.ensure('shop')

  const accepting: { accept: Accept } = { accept: async () => 0 }
  const results: PromiseSettledResult<number>[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    void answer(socket)
  })

  async function answer(socket: Socket): Promise<void> {
    const { header, stdin } = listenTo(socket)
    const { line, protocol } = await header
    const gone = new AbortController()
    const send = (where: number) => frames(socket, where)
    socket.on('error', () => {}).on('close', () => gone.abort())
    const streams: GitStreams = {
      stdin,
      stdout: send(1),
      stderr: send(2),
      signal: gone.signal,
      protocol,
    }
    const [, service, app] = /^git[- ]([\w-]+) '\/?([^']+)'$/.exec(line)!
    const work =
      service === 'receive-pack'
        ? repositories.receive(app!, streams, (push, tools) => accepting.accept(push, tools))
        : repositories.serve(app!, service as 'upload-pack', streams)
    const [result] = await Promise.allSettled([work])
    results.push(result!)
    server.emit('answered')
    if (socket.destroyed) return
    send(0).end(Buffer.from([result?.status === 'fulfilled' ? result.value : 1]))
  }

  const path = join(dir, 's')
  await once(server.listen(path), 'listening')
  const bridge = resolve(import.meta.dirname, 'bridge.ts')
  const clientEnv = {
    ...plainEnv(),
    GIT_SSH_COMMAND: `${process.execPath} --disable-warning=ExperimentalWarning ${bridge} ${path}`,
    GIT_SSH_VARIANT: 'ssh',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.test',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.test',
    LC_ALL: 'C.UTF-8',
  }
  const clone = join(dir, 'clone')
  const started = new Set<ChildProcess>()

  function begin(words: readonly string[], cwd = clone) {
    const child = spawn('git', words, { cwd, env: clientEnv, detached: true })
    started.add(child)
    child.once('close', () => started.delete(child))
    child.stdin.on('error', () => {})
    return child
  }

  async function gitIn(cwd: string, words: readonly string[], input?: string | Buffer): Promise<Answer> {
    const child = begin(words, cwd)
    child.stdin.end(input)
    const [out, err] = [text(child.stdout), text(child.stderr)]
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out: await out, err: await err }
  }

  t.teardown(async () => {
    for (const { pid } of started) process.kill(-pid!, 'SIGKILL')
    for (const socket of sockets) socket.destroy()
    server.close()
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })

  await mkdir(clone)
  await gitIn(clone, ['init', '-q', '-b', 'main'])
  await gitIn(clone, ['config', 'core.compression', '0'])
  await gitIn(clone, ['remote', 'add', 'davit', 'ssh://davit/shop'])

  return {
    dir,
    folder,
    repo: join(folder, 'shop.git'),
    clone,
    repositories,
    accepting,
    results,
    server,
    sockets,
    begin,
    gitIn,
    git: (...words: string[]) => gitIn(clone, words),
    async must(...words: string[]) {
      const { code, out, err } = await gitIn(clone, words)
      if (code !== 0) throw new Error(`git ${words.join(' ')}: ${err}`)
      return out.trim()
    },
    async write(path: string, content: string | Buffer) {
      if (!existsSync(dirname(join(clone, path))))
        await mkdir(dirname(join(clone, path)), { recursive: true })
      await writeFile(join(clone, path), content)
    },
    async commit(files: Record<string, string | Buffer>): Promise<string> {
      for (const [path, content] of Object.entries(files)) await this.write(path, content)
      await this.must('add', '-A')
      await this.must('commit', '-q', '--allow-empty', '-m', 'change')
      return this.must('rev-parse', 'HEAD')
    },
    /** An object with exactly this content, however wrong. */
    async object(type: 'tree' | 'commit' | 'blob', content: string | Buffer): Promise<string> {
      const words = ['hash-object', '-t', type, '-w', '--stdin', '--literally']
      return (await gitIn(clone, words, content)).out.trim()
    },
    async tree(...entries: [mode: string, name: string, id: string][]): Promise<string> {
      const bytes = entries.map(([mode, name, id]) =>
        Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]),
      )
      return this.object('tree', Buffer.concat(bytes))
    },
    commitTree: async (tree: string) =>
      (await gitIn(clone, ['commit-tree', '-m', 'crafted', tree])).out.trim(),
  }
}

export async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(stream)).toString()
}

function frames(socket: Socket, where: number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const head = Buffer.alloc(5)
      head[0] = where
      head.writeUInt32BE(chunk.length, 1)
      socket.write(Buffer.concat([head, chunk]), error => done(error))
    },
  })
}

/** What the bridge sends: its line, then the client's input until an empty frame. */
function listenTo(socket: Socket) {
  const header = Promise.withResolvers<{ line: string; protocol: string | undefined }>()
  const stdin = new PassThrough()
  let waiting: Buffer = Buffer.alloc(0)
  let told = false

  function next(): Buffer | undefined {
    const end = told ? 4 + (waiting.length < 4 ? 0 : waiting.readUInt32BE()) : waiting.indexOf('\n') + 1
    if (end === 0 || waiting.length < Math.max(end, told ? 4 : 1)) return undefined
    const bytes = waiting.subarray(told ? 4 : 0, end)
    waiting = waiting.subarray(end)
    return bytes
  }

  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    for (let bytes = next(); bytes; bytes = next()) {
      if (!told) header.resolve(JSON.parse(bytes.toString()))
      else if (bytes.length === 0) stdin.end()
      else if (!stdin.write(bytes)) {
        socket.pause()
        stdin.once('drain', () => socket.resume())
      }
      told = true
    }
  })
  return { header: header.promise, stdin }
}
