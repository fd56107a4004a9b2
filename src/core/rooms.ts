import type { Jobs } from '../clock/jobs.ts'
import type { Attempts } from '../deploy/attempts.ts'
import type { Background } from '../deploy/background.ts'
import type { Queue, Turns } from '../deploy/queue.ts'
import type { Routes } from '../deploy/routes.ts'
import type { Slots } from '../deploy/slots.ts'
import type { ContainerInfo, Engine } from '../docker/engine.ts'
import type { Edge } from '../edge/wire.ts'
import type { Repositories } from '../git/push.ts'
import type { Logger } from '../log.ts'
import type { Reach } from '../outbound.ts'
import type { Catalogue } from '../plugin/catalogue.ts'
import type { Driver } from '../plugin/driver.ts'
import type { Roster } from '../plugin/roster.ts'
import type { Settings } from '../settings.ts'
import type { Store } from '../store/store.ts'
import type { AppName, Call, Identity, Out, Service } from '../types.ts'
import type { Events } from './events.ts'
import type { Operations } from './operations.ts'

/** The cellar's rooms, the hooks, and the daemon's own settings and end. */
export interface Cellar {
  readonly settings: Settings
  readonly store: Store
  readonly engine: Engine
  readonly edge: Edge
  readonly repositories: Repositories
  readonly reach: Reach
  readonly hooks: Driver
  readonly roster: Roster
  readonly log: Logger
  /** Aborts when the daemon is asked to end: nothing new is begun. */
  readonly signal: AbortSignal
  /** Aborts some seconds later, when what is under way has to stop too. */
  readonly last: AbortSignal
}

/** What the workshop works with. */
export interface Rooms extends Cellar {
  /** Changes of an app. */
  readonly queue: Queue
  /** Pushes to an app, from the verdict until git has taken their refs. Whoever waits in both asks here first. */
  readonly pushes: Queue
  /** Changes of services, by `PLUGIN NAME`. Whoever waits for an app too asks there first. */
  readonly services: Turns<string>
  readonly slots: Slots
  readonly attempts: Attempts
  readonly routes: Routes
  readonly background: Background
  readonly events: Events
  readonly operations: Operations
  readonly jobs: Jobs
  readonly plugins: Catalogue
}

/** Labels of everything an instance makes on the engine. */
export function instanceLabels({ settings }: Pick<Rooms, 'settings'>): Record<string, string> {
  return { 'com.davit.instance': settings.instance }
}

export function appLabels(rooms: Pick<Rooms, 'settings'>, app: string): Record<string, string> {
  return { ...instanceLabels(rooms), 'com.davit.app': app }
}

export function serviceLabels(
  { plugin, name }: Service,
  rooms: Pick<Rooms, 'settings'>,
): Record<string, string> {
  return { ...instanceLabels(rooms), 'com.davit.plugin': plugin, 'com.davit.service': name }
}

/**
 * What the engine has of an app, running or not, tasks too. A container keeps the label of the name its app had when it was made, so
 * the rows count where there are any.
 */
export async function containersOf(
  app: AppName,
  { settings, store, engine }: Cellar,
): Promise<readonly ContainerInfo[]> {
  const rows = new Map(store.containers.list().map(each => [each.name, each.app]))
  const infos = await engine.containers(instanceLabels({ settings }))
  return infos.filter(({ name, labels }) => (rows.get(name) ?? labels['com.davit.app']) === app)
}

export const nobody: Identity = { person: 'davit', key: 'davit', role: 'admin' }

/** A call of the daemon's own, with nobody at the terminal: words go to the log. */
export function ownCall({ log, last }: Pick<Rooms, 'log' | 'last'>): Call {
  const tell = (text: string) => log.debug(text)
  const out: Out = Object.assign((line: string) => tell(line), {
    step: tell,
    headline: tell,
    detail: tell,
    flushed: async (text: string) => tell(text),
    warn: (text: string) => log.warn(text),
  })
  return { by: nobody, out, signal: last }
}
