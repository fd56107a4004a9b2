import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { readSchedule } from '../clock/schedule.ts'
import { servedFolder } from '../deploy/mounts.ts'
import { upkeep, upkeepOf } from '../deploy/upkeep.ts'
import type { Core } from '../plugin/core.ts'
import { createAccess } from './access.ts'
import { createApps, getApp } from './apps.ts'
import { createAttemptsView } from './attempts.ts'
import { createCertificatesView } from './certificates.ts'
import { createConfig } from './config.ts'
import { createDomains } from './domains.ts'
import { logsOf } from './logs.ts'
import { createNetworks } from './networks.ts'
import { createOutboundView } from './outbound.ts'
import { createPorts } from './ports.ts'
import { createProcesses } from './processes.ts'
import { createProperties } from './properties.ts'
import { createReleases } from './releases.ts'
import { createRepository } from './repository.ts'
import type { Rooms } from './rooms.ts'
import { createRoutesView } from './routes.ts'
import { createServices } from './services.ts'
import { execIn, runTask } from './tasks.ts'
import { createTraffic } from './traffic.ts'
import { runWork } from './work.ts'

/** Everything that commands and plugins may ask for, over the workshop's rooms. `owner` is the plugin that asks. */
export function createCore(version: string, rooms: Rooms, owner = 'davit'): Core {
  return {
    version,
    remote: app => remoteOf(app, rooms),
    apps: createApps(rooms),
    config: createConfig(rooms, owner),
    domains: createDomains(rooms),
    certificates: createCertificatesView(rooms),
    properties: createProperties(rooms),
    processes: createProcesses(rooms),
    ports: createPorts(rooms),
    routes: createRoutesView(rooms),
    releases: createReleases(rooms),
    traffic: createTraffic(rooms),
    repository: createRepository(rooms),
    attempts: createAttemptsView(rooms),
    upkeep: app => (app === undefined ? upkeep(rooms) : upkeepOf(getApp(app, rooms).name, rooms)),
    access: createAccess(rooms),
    plugins: rooms.plugins,
    served() {
      const path = servedFolder(owner, rooms.settings.data)
      mkdirSync(path, { recursive: true })
      for (const each of [dirname(path), path]) chmodSync(each, 0o755)
      return path
    },
    events: rooms.events,
    outbound: createOutboundView(rooms),
    jobs: {
      list: () => rooms.jobs.list(),
      run: (plugin, name, call) => rooms.jobs.run(plugin, name, call),
      readSchedule,
      changed: () => rooms.jobs.changed(owner),
    },
    depend: app => rooms.store.dependencies.add(getApp(app, rooms).name, owner),
    undepend: app => rooms.store.dependencies.remove(getApp(app, rooms).name, owner),
    redeploy: (app, reason) => rooms.operations.ask(getApp(app, rooms).name, reason),
    containers: {
      logs: (app, options) => logsOf(getApp(app, rooms), options, rooms),
      run: (app, words, io, call) => runTask(getApp(app, rooms), { words }, io, { call, rooms }),
      runLine: (app, line, io, call) => runTask(getApp(app, rooms), { line }, io, { call, rooms }),
      exec: (container, words, io) => execIn(container, words, io, rooms),
      copyOut: (container, file, options) => rooms.engine.copyOut(container.name, file, options),
      work: (work, io) => runWork(work, io, rooms),
    },
    networks: createNetworks(rooms),
    services: createServices(rooms, owner),
    folder(name) {
      const path = join(rooms.settings.data, name)
      mkdirSync(path, { recursive: true, mode: 0o711 })
      return path
    },
  }
}

function remoteOf(app: string, { settings }: Rooms): string {
  const { port } = settings.sshListen
  return `ssh://davit@HOST${port === 22 ? '' : `:${port}`}/${app}`
}
