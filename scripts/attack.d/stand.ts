import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import { plainEnv } from '../../src/settings.ts'
import type { AppName, Route } from '../../src/types.ts'
import { running } from '../../test/proxy/running.ts'
import { certified } from './authority.ts'
import { echoFrames } from './frames.ts'
import type { Ground } from './ground.ts'

/** A whole proxy, and an app behind it at shop.test and localhost, with TLS if they like, and at 127.0.0.1. */
export interface Stand {
  readonly port: number
  readonly httpsPort: number
  /** File with the certificate of who vouches for the app's. */
  readonly authority: string
  /** Process ids of proxy and workers as they were at the start. */
  readonly pids: readonly number[]
  /** Requests that the app has seen. */
  readonly asked: () => number
  /** Whether none of them has ended since. */
  survived(): Promise<boolean>
}

export async function openStand(ground: Ground, { workers = 2 } = {}): Promise<Stand> {
  const app = await openApp(ground)
  const proxy = await running(ground, { workers })
  const { certificate, authority } = await certified(['localhost', 'shop.test'], {
    dir: ground.dir,
    name: 'shop',
  })
  const edge = proxy.edge()
  await edge.sync([shop(app.port)], [certificate])
  const children = await proxy.workers()
  return {
    port: proxy.port,
    httpsPort: proxy.httpsPort,
    authority,
    pids: [proxy.pid(), ...children],
    asked: app.asked,
    survived: async () => (await proxy.workers()).join() === children.join(),
  }
}

function shop(port: number): Route {
  return {
    app: 'shop' as AppName,
    domains: { 'shop.test': true, '127.0.0.1': true, localhost: true },
    upstreams: { 'shop.web.1': { host: '127.0.0.1', port } },
    https: { redirect: false, hsts: { maxAge: 31_536_000, includeSubdomains: false, preload: false } },
  }
}

/** `/bytes/N` is so long, `/late/N` takes so many milliseconds; what is sent is answered with its length and hash. */
export async function openApp(ground: Pick<Ground, 'teardown'>) {
  let asked = 0
  const server = http.createServer((req, res) => {
    asked++
    answer(req, res).catch(() => res.destroy())
  })
  server.on('upgrade', (req, socket: Socket) => {
    asked++
    echoFrames(req, socket)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  ground.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, port: (server.address() as AddressInfo).port, asked: () => asked }
}

async function answer(req: IncomingMessage, res: ServerResponse) {
  const [, what, number] = (req.url ?? '').split('/')
  if (what === 'bytes') return res.end(Buffer.alloc(Number(number), 'b'))
  if (what === 'late') return setTimeout(() => res.end('late'), Number(number))
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of req) {
    length += chunk.length
    hash.update(chunk)
  }
  return res.end(length === 0 ? 'ok' : `${length} ${hash.digest('hex')}`)
}

/** Runs a program to its end with its output on ours, unless told to stop. */
export async function runHere(
  words: readonly string[],
  { cwd, signal }: { cwd?: string; signal: AbortSignal },
): Promise<number> {
  const child = spawn(words[0]!, words.slice(1), { cwd, stdio: 'inherit', env: plainEnv(), signal })
  // Ended by the signal, or not there.
  const failed = once(child, 'error').then(([error]) => {
    if (!signal.aborted) throw error
    return 130
  })
  return Promise.race([once(child, 'close').then(([code]) => code ?? 130), failed])
}
