import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'

import { webPort } from '../core/port-map.ts'
import type { Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { App, Call, ContainerSpec, Env, Formation, Procfile, Release } from '../types.ts'
import { commandOf } from './procfile.ts'

/** How many of each process ought to run: as set, else one web and none of the others. `release` never. */
export function formationOf(procfile: Procfile, set: Formation): Formation {
  const processes = Object.keys(procfile).filter(name => name !== 'release')
  return Object.fromEntries(
    processes
      .sort(webFirst)
      .map(name => [name, Object.hasOwn(set, name) ? set[name]! : name === 'web' ? 1 : 0]),
  )
}

function webFirst(a: string, b: string): number {
  if (a === 'web' || b === 'web') return a === 'web' ? -1 : 1
  return a < b ? -1 : 1
}

export interface ProcessSpec {
  readonly process: string
  readonly spec: ContainerSpec
  /** Of the finished spec: containers whose hash is unchanged stay. */
  readonly hash: string
}

/** The finished spec of one process of a release: config, then what plugins shape. */
export async function specOf(
  process: string,
  subject: { app: App; release: Release; line: string },
  call: Call,
  rooms: Rooms,
): Promise<ProcessSpec> {
  const { app, release, line } = subject
  const event = { app, release, process }
  const env = await rooms.hooks.shapeEnv(baseEnv(release, rooms), event, call)
  const base: ContainerSpec = {
    image: release.image,
    command: commandOf(line),
    env,
    mounts: {},
    labels: {},
    pidLimit: 1024,
    stopTimeout: stopTimeout(app, rooms),
  }
  const spec = await rooms.hooks.shapeContainer(base, event, call)
  refuseOurs(spec, rooms)
  return { process, spec, hash: hashOf(spec) }
}

/** Whoever has Davit's own data has the host. What plugins keep there for apps is made for that. */
function refuseOurs({ mounts }: ContainerSpec, { settings: { data } }: Rooms): void {
  const within = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)
  for (const { source } of Object.values(mounts)) {
    const isOurs = within(source, data) || within(data, source.replace(/\/$/, ''))
    const forApps = [join(data, 'storage'), join(data, 'services')]
    if (isOurs && !forApps.some(each => dirname(source) === each))
      throw new UserError('host-path', `${source} is Davit's own; no app may have it.`)
  }
}

/** Config in force: the host's values, what plugins provided, and the release's own on top; then what Davit itself tells an app. */
function baseEnv(release: Release, { store }: Rooms): Env {
  const values = (app: Release['app'] | undefined, owned: boolean) =>
    Object.fromEntries(
      store.config
        .list(app)
        .filter(each => owned === (each.owner !== ''))
        .map(each => [each.key, each.value]),
    )
  return {
    ...values(undefined, false),
    ...values(release.app, true),
    ...store.releases.config(release),
    PORT: String(webPort(release.app, release, store)),
    ...(release.revision ? { GIT_REV: release.revision } : {}),
  }
}

export function stopTimeout(app: App, { store }: Rooms): number {
  const set =
    store.properties.get('ps', app.name, 'stop-timeout-seconds') ??
    store.properties.get('ps', undefined, 'stop-timeout-seconds')
  return Number(set ?? 30)
}

export function hashOf(spec: ContainerSpec): string {
  return createHash('sha256').update(canonical(spec)).digest('hex').slice(0, 16)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
