import { join, resolve } from 'node:path'

import pino from 'pino'
import type { Test } from 'tap'

import { createJobs } from '../../src/clock/jobs.ts'
import { createCore } from '../../src/core/core.ts'
import { createEvents } from '../../src/core/events.ts'
import { kvOf } from '../../src/core/kv.ts'
import { createOperations } from '../../src/core/operations.ts'
import { createPlugins } from '../../src/core/plugins.ts'
import type { Cellar, Rooms } from '../../src/core/rooms.ts'
import { createAttempts } from '../../src/deploy/attempts.ts'
import { createBackground } from '../../src/deploy/background.ts'
import { createQueue, createTurns } from '../../src/deploy/queue.ts'
import { createRoutes } from '../../src/deploy/routes.ts'
import { createSlots } from '../../src/deploy/slots.ts'
import type { Engine } from '../../src/docker/engine.ts'
import type { Edge, EdgeOptions } from '../../src/edge/wire.ts'
import { openRepositories } from '../../src/git/repo.ts'
import { createOutbound } from '../../src/outbound.ts'
import type { Core } from '../../src/plugin/core.ts'
import type { Plugin } from '../../src/plugin/define.ts'
import { createDriver, type Member } from '../../src/plugin/driver.ts'
import { openRoster } from '../../src/plugin/roster.ts'
import { plainEnv, readSettings } from '../../src/settings.ts'
import { openStore } from '../../src/store/open.ts'
import type { AppName, Call, Certificate, Identity, Out, Route } from '../../src/types.ts'
import { executables, keptInMemory } from '../plugin/rostered.ts'

export const shop = 'shop' as AppName
export const blog = 'blog' as AppName

export const ann: Identity = { person: 'ann', key: 'SHA256:ann', role: 'admin' }

export interface Workshop {
  readonly core: Core
  readonly rooms: Rooms
  /** Everything the proxy was told, oldest first: a route, or the name of an app that went. */
  readonly told: readonly (Route | string)[]
  /** What counts for the whole instance, as the proxy was told, oldest first. */
  readonly options: readonly EdgeOptions[]
  /** The certificates that the proxy has, by name. */
  readonly certificates: ReadonlyMap<string, Certificate>
  /** The plugins with their contexts. */
  readonly members: readonly Member[]
}

export interface WorkshopOptions {
  readonly plugins?: readonly Plugin[]
  readonly engine?: Partial<Engine>
  /** Networks that may be fetched from. */
  readonly allowLocal?: readonly string[]
}

/** The workshop over a real store and real repositories in a folder of the test's own, with no engine and no proxy. */
export function workshop(
  t: Test,
  { plugins = [], engine = {}, allowLocal = [] }: WorkshopOptions = {},
): Workshop {
  const dir = t.testdir({ git: {} })
  const log = pino({ level: 'silent' })
  const ended = new AbortController()
  const store = openStore({ file: join(dir, 'davit.db'), keyFile: join(dir, 'seal.key') })
  t.teardown(() => {
    ended.abort()
    store.close()
  })
  const told: (Route | string)[] = []
  const options: EdgeOptions[] = []
  const certificates = new Map<string, Certificate>()
  const members: Member[] = []
  const opened = openRoster({
    data: join(dir, 'plugins'),
    commands: [],
    kv: name => kvOf(name, store),
    executables,
    log,
    signal: ended.signal,
  })
  const roster = { ...opened, members: () => [...members, ...opened.members()] }
  const reach = createOutbound({ allowed: allowLocal })
  const cellar: Cellar = {
    settings: readSettings(['--data', dir, '--http-listen', '127.0.0.1:8080', '--instance', 'test'], {}),
    store,
    engine: absentEngine(engine),
    edge: listeningEdge(told, options, certificates),
    repositories: openRepositories({
      folder: join(dir, 'git'),
      hooks: resolve(import.meta.dirname, '../../scripts/git-hooks'),
      env: plainEnv(),
      reach,
      log,
    }),
    reach,
    hooks: createDriver(roster.members, roster.failed),
    roster,
    log,
    signal: ended.signal,
    last: ended.signal,
  }
  const background = createBackground(log)
  const parts = { ...cellar, background, events: createEvents({ ...cellar, background }) }
  const operations = createOperations(() => rooms)
  const rooms: Rooms = {
    ...parts,
    operations,
    jobs: createJobs({ ...parts, operations }),
    queue: createQueue(),
    pushes: createQueue(),
    services: createTurns(),
    slots: createSlots(() => 2),
    attempts: createAttempts({ store, folder: join(dir, 'builds'), log }),
    plugins: createPlugins(() => rooms),
    routes: createRoutes(cellar),
  }
  const core = createCore('0.0.0', rooms)
  members.push(
    ...plugins.map(plugin => {
      const core = createCore('0.0.0', rooms, plugin.name)
      return member(plugin, { core, kv: kvOf(plugin.name, store), dir })
    }),
  )
  return { core, rooms, told, certificates, options, members }
}

/** A plugin with a context for it, whose values are kept in memory unless told. */
export function member(plugin: Plugin, more: Partial<Member['context']> = {}): Member {
  const context = {
    core: undefined as unknown as Core,
    kv: keptInMemory()(plugin.name),
    dir: '',
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    ...more,
  }
  return { plugin, context }
}

/** A call, with the lines that the person saw. */
export function calling({ by = ann, signal = new AbortController().signal }: Partial<Call> = {}) {
  const lines: string[] = []
  const say = (line: string) => void lines.push(line)
  const out: Out = Object.assign(say, {
    step: (text: string) => say(`-----> ${text}`),
    headline: (text: string) => say(`=====> ${text}`),
    detail: (text: string) => say(`       ${text}`),
    warn: (text: string) => say(` !     ${text}`),
    flushed: async (text: string) => say(text),
  })
  return { by, out, signal, lines }
}

/** Only what the test gives it can be asked of the engine. */
function absentEngine(given: Partial<Engine>): Engine {
  return new Proxy(given as Engine, {
    get(engine, name) {
      if (Object.hasOwn(engine, name)) return engine[name as keyof Engine]
      return () => {
        throw new Error(`this test has no engine to ask for ${String(name)}`)
      }
    },
  })
}

function listeningEdge(
  told: (Route | string)[],
  counting: EdgeOptions[],
  certificates: Map<string, Certificate>,
): Edge {
  return {
    sync: async (routes, all = [], options) => {
      told.push(...routes)
      certificates.clear()
      for (const each of all) certificates.set(each.name, each)
      if (options) counting.push(options)
      return []
    },
    options: async options => void counting.push(options),
    point: async route => {
      told.push(route)
      return []
    },
    forget: async app => void told.push(app),
    certificate: async each => void certificates.set(each.name, each),
    forgetCertificate: async name => void certificates.delete(name),
    rename: async () => undefined,
    drain: async () => 0,
    trial: async () => new Map(),
    pause: async () => undefined,
    resume: async () => undefined,
    crossing: async () => ({ requests: 0, lost: 0, errors: 0, slowestMs: 0, underWay: 0, byRelease: {} }),
    metrics: async () => [],
    upgrade: async () => ({ was: 1, pid: 2 }),
    waits: () => undefined,
    stats: async () => ({ workers: 1, requests: 0, inFlight: 0 }),
    onConnect: () => undefined,
    close: () => undefined,
  }
}
