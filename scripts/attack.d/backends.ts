import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

import { plainEnv } from '../../src/settings.ts'
import { freePort } from '../../test/e2e/sandbox.ts'

/** A request as a backend understood it. */
export interface Saw {
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly body: string
  /** The body came to its end. */
  readonly whole: boolean
}

/**
 * A server that tells of every request it sees and answers with `X-Saw: base64url(METHOD target)`. Those that are
 * programs of their own write a line for each: address, method, target, head and body, each but the first as a dot and base64, and 1 or 0 for `whole`.
 */
export interface Backend {
  readonly name: string
  readonly port: number
  /** By the address of whoever asked. */
  readonly saw: ReadonlyMap<string, readonly Saw[]>
  close(): Promise<void>
}

/** Where a backend may put its files, and whether that takes long. */
interface Place {
  readonly dir: string
}

export interface Make {
  readonly name: string
  /** What is missing for it, in words. */
  readonly lacks: () => string | undefined
  readonly open: (place: Place) => Promise<Backend>
}

const here = join(import.meta.dirname, 'backends')

export const makes: readonly Make[] = [
  { name: 'node', lacks: () => undefined, open: openNode },
  {
    name: 'nginx',
    lacks: () =>
      existsSync('/usr/lib/nginx/modules/ngx_http_lua_module.so') && existsSync('/usr/sbin/nginx')
        ? undefined
        : 'nginx with Lua: apt-get install --no-install-recommends nginx-light libnginx-mod-http-lua',
    open: openNginx,
  },
  {
    name: 'gunicorn',
    lacks: () => (runs('python3', '-c', 'import venv, ensurepip') ? undefined : 'Python 3 with venv'),
    open: openGunicorn,
  },
  { name: 'go', lacks: () => (runs('go', 'version') ? undefined : 'Go'), open: openGo },
]

export const runs = (file: string, ...words: string[]) =>
  spawnSync(file, words, { stdio: 'ignore' }).status === 0

async function openNode(): Promise<Backend> {
  const saw = new Map<string, Saw[]>()
  const server = http.createServer({ maxHeaderSize: 256 * 1024 }, async (req, res) => {
    const from = req.socket.remoteAddress!
    const seen = { method: req.method!, target: req.url!, fields: req.rawHeaders, body: '', whole: false }
    listOf(saw, from).push(seen)
    try {
      for await (const chunk of req) seen.body += chunk.toString('latin1')
    } catch {
      return
    }
    seen.whole = true
    res.setHeader('X-Saw', Buffer.from(`${seen.method} ${seen.target}`, 'latin1').toString('base64url'))
    // With a length, and in chunks.
    if (seen.body.length % 2 === 0) res.write('seen ')
    res.end(`${seen.body.length} bytes`)
  })
  server.maxHeadersCount = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    name: 'node',
    port: (server.address() as AddressInfo).port,
    saw,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function openNginx({ dir }: Place): Promise<Backend> {
  const port = await freePort()
  const script = join(here, 'saw.lua')
  await writeFile(
    join(dir, 'nginx.conf'),
    `daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx.log;
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_buffer_size 1m;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server {
    listen 127.0.0.1:${port};
    location / { content_by_lua_file ${script}; }
  }
}
`,
  )
  return program('nginx', spawn('/usr/sbin/nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')], piped()), port)
}

/** Pinned, so that a run tells of Davit and not of what came out yesterday. */
const gunicorn = 'gunicorn==27.0.1'

async function openGunicorn({ dir }: Place): Promise<Backend> {
  const port = await freePort()
  const venv = join(dir, 'venv')
  await done('python3', ['-m', 'venv', venv])
  await done(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', gunicorn])
  const words = [
    '--config',
    join(here, 'gunicorn.conf.py'),
    '--bind',
    `127.0.0.1:${port}`,
    '--chdir',
    here,
    'saw:app',
  ]
  return program('gunicorn', spawn(join(venv, 'bin/gunicorn'), words, piped()), port)
}

async function openGo({ dir }: Place): Promise<Backend> {
  const port = await freePort()
  const file = join(dir, 'saw')
  await done('go', ['build', '-o', file, join(here, 'saw.go')])
  return program('go', spawn(file, [`127.0.0.1:${port}`], piped()), port)
}

function piped() {
  return {
    stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'],
    env: { ...plainEnv(), PYTHONDONTWRITEBYTECODE: '1' },
  }
}

async function done(file: string, words: readonly string[]): Promise<void> {
  const child = spawn(file, words, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${file} ${words.join(' ')} ended with ${code}.`)
}

async function program(name: string, child: ChildProcess, port: number): Promise<Backend> {
  const saw = new Map<string, Saw[]>()
  const ended = once(child, 'close')
  createInterface({ input: child.stdout! }).on('line', line => {
    const [from, method, target, head, body, whole] = line.split(' ') as [string, ...string[]]
    const text = (word: string | undefined) => Buffer.from(word!.slice(1), 'base64').toString('latin1')
    const fields = text(head)
      .split('\r\n')
      .filter(each => each !== '')
      .flatMap(each => [each.slice(0, each.indexOf(':')), each.slice(each.indexOf(':') + 1).trim()])
    listOf(saw, from).push({
      method: text(method),
      target: text(target),
      fields,
      body: text(body),
      whole: whole === '1',
    })
  })
  const close = async () => {
    child.kill('SIGTERM')
    await ended
  }
  try {
    await listening(child, port)
  } catch (error) {
    await close()
    throw error
  }
  return { name, port, saw, close }
}

async function listening(child: ChildProcess, port: number) {
  for (let n = 0; n < 200; n++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}.`)
    const socket = net.connect(port, '127.0.0.1')
    const open = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await pause(50)
  }
  throw new Error(`${child.spawnfile} does not listen.`)
}

function listOf<T>(map: Map<string, T[]>, key: string): T[] {
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}
