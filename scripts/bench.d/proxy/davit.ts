import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import pino from 'pino'

import { connectEdge } from '../../../src/edge/client.ts'
import { openSocket } from '../../../src/listen.ts'
import { plainEnv, root } from '../../../src/settings.ts'
import type { AppName, Certificate, Route } from '../../../src/types.ts'
import { type Ground, hosts, routeNames } from './ground.ts'
import type { Peer } from './peers.ts'
import { familyOf } from './processes.ts'
import { answers, startServer } from './server.ts'

/** Davit's proxy, run as on a server, and all that this bench knows of its insides. */
export interface Davit extends Peer {
  /** Process ids of those that serve. */
  workers(): readonly number[]
  /** Leads a hostname of routeNames to another port; settles when the proxy says that it is so. */
  point(hostname: string, port: number): Promise<void>
}

export async function startDavit(ground: Ground, { routes }: { routes: number }): Promise<Davit> {
  const http = openSocket({ host: '127.0.0.1', port: 0 }, { flag: 'http-listen' })
  const https = openSocket({ host: '127.0.0.1', port: 0 }, { flag: 'https-listen' })
  const data = join(ground.dir, `davit-${http.port}`)
  await mkdir(data)
  const edge = connectEdge({
    socketPath: join(data, 'proxy/control.sock'),
    log: pino({ level: 'silent' }),
  })
  ground.undo.push(async () => {
    edge.close()
    http.close()
    https.close()
  })
  const server = await startServer(
    {
      program: join(root, 'scripts/davit'),
      words: ['proxy', '--data', data, '--workers', String(ground.workers)],
      env: { ...plainEnv(), LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:https' },
      sockets: [http.fd, https.fd],
      log: `${data}/log`,
      ready: async () => {
        await edge.sync(table(ground, routes), [certificate(ground)])
        return answers(http.port, hosts.app)
      },
    },
    ground,
  )
  return {
    name: 'Davit',
    pid: server.pid,
    http: http.port,
    https: https.port,
    workers: () => familyOf(server.pid).slice(1),
    point: async (hostname, port) => void (await edge.point(routeTo(hostname, port))),
  }
}

function certificate({ certificate: { cert, key } }: Ground): Certificate {
  return { name: 'bench', hostnames: [hosts.secure], chain: cert, key }
}

function table({ backend, speaker }: Ground, routes: number): Route[] {
  return [
    routeTo(hosts.app, backend),
    routeTo(hosts.secure, backend),
    routeTo(hosts.speaker, speaker),
    ...routeNames(routes).map(name => routeTo(name, backend)),
  ]
}

function routeTo(hostname: string, port: number): Route {
  const app = hostname.replace('.test', '') as AppName
  return {
    app,
    domains: { [hostname]: true },
    upstreams: { [`${app}.web.1`]: { host: '127.0.0.1', port } },
  }
}
