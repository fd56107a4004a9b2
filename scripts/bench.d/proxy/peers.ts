import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { plainEnv } from '../../../src/settings.ts'
import { freePort } from '../../../test/e2e/sandbox.ts'
import { startDavit } from './davit.ts'
import { configure, type Ground, hosts, routeNames } from './ground.ts'
import { answers, startServer } from './server.ts'

export const names = ['Davit', 'nginx', 'HAProxy', 'Caddy'] as const
export type Name = (typeof names)[number]

/** A proxy that runs, on 127.0.0.1. */
export interface Peer {
  readonly name: Name
  /** The process that was started; those that serve may be below it. */
  readonly pid: number
  readonly http: number
  /** Undefined for one that has no TLS. */
  readonly https: number | undefined
}

/** All of them, with so many routes to the app besides those that every one has. */
export async function startPeers(ground: Ground, { routes }: { routes: number }): Promise<readonly Peer[]> {
  const davit = await startDavit(ground, { routes })
  const others: Peer[] = []
  for (const start of [nginx, haproxy, caddy]) others.push(await start(ground, routeNames(routes)))
  return [davit, ...others]
}

async function nginx(ground: Ground, routes: readonly string[]): Promise<Peer> {
  await mkdir(join(ground.dir, 'temp-nginx'), { recursive: true })
  const log = join(ground.dir, 'nginx.log')
  return start('nginx', ground, {
    routes,
    template: 'nginx.conf',
    command: config => ['/usr/sbin/nginx', '-e', log, '-c', config],
  })
}

async function haproxy(ground: Ground, routes: readonly string[]): Promise<Peer> {
  return start('HAProxy', ground, {
    routes,
    template: 'haproxy.conf',
    map: 'haproxy.map.conf',
    command: config => ['/usr/sbin/haproxy', '-db', '-f', config],
  })
}

async function caddy(ground: Ground, routes: readonly string[]): Promise<Peer> {
  return start('Caddy', ground, {
    routes,
    template: 'caddy.conf',
    command: config => ['caddy', 'run', '--adapter', 'caddyfile', '--config', config],
    env: { GOMAXPROCS: String(ground.workers), HOME: ground.dir },
  })
}

interface Kind {
  readonly template: string
  /** A second file, beside the first one. */
  readonly map?: string
  readonly routes: readonly string[]
  readonly command: (config: string) => readonly string[]
  readonly env?: Record<string, string>
}

async function start(
  name: Name,
  ground: Ground,
  { template, map, routes, command, env }: Kind,
): Promise<Peer> {
  const [http, https] = [await freePort(), await freePort()]
  const values = {
    DIR: ground.dir,
    WORKERS: String(ground.workers),
    HTTP: String(http),
    HTTPS: String(https),
    BACKEND: String(ground.backend),
    SPEAKER: String(ground.speaker),
  }
  const path = (kind: string) => join(ground.dir, `${name.toLowerCase()}-${http}.${kind}`)
  if (map) await configure(map, path('map'), { values, routes })
  const [program, ...words] = command(await configure(template, path('conf'), { values, routes }))
  const server = await startServer(
    {
      program: program!,
      words,
      env: { ...plainEnv(), ...env },
      log: path('log'),
      ready: () => answers(http, hosts.app),
    },
    ground,
  )
  return { name, pid: server.pid, http, https }
}
