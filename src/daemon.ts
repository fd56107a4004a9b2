import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { dispatch } from './cli/dispatch.ts'
import { openEntries } from './cli/entries.ts'
import { serveLocal } from './cli/local.ts'
import { serveGit } from './cli/push.ts'
import { createJobs } from './clock/jobs.ts'
import { commands } from './commands/index.ts'
import { createCore } from './core/core.ts'
import { createEvents } from './core/events.ts'
import { noteStarts, takeUpFault, tellOff, watchFaults } from './core/faults.ts'
import { kvOf } from './core/kv.ts'
import { createOperations } from './core/operations.ts'
import { executablesOf, placesOf, sweepPlugins } from './core/plugin-places.ts'
import { finishPurges } from './core/plugin-purge.ts'
import { createPlugins } from './core/plugins.ts'
import type { Cellar, Rooms } from './core/rooms.ts'
import { createAttempts } from './deploy/attempts.ts'
import { createBackground } from './deploy/background.ts'
import { mountSocket } from './deploy/mounts.ts'
import { acceptPush } from './deploy/push.ts'
import { createQueue, createTurns } from './deploy/queue.ts'
import { createReconciler, ensureRepositories } from './deploy/reconcile.ts'
import { renaming } from './deploy/rename.ts'
import { createRoutes } from './deploy/routes.ts'
import { createSlots, usualBuilds } from './deploy/slots.ts'
import { resume } from './deploy/steps.ts'
import { removeTasks } from './deploy/strays.ts'
import { upkeepJobs } from './deploy/upkeep.ts'
import { openEngine } from './docker/dockerode.ts'
import type { Engine } from './docker/engine.ts'
import { connectEdge } from './edge/client.ts'
import { Cancelled, UserError } from './errors.ts'
import { firstStart } from './first-start.ts'
import type { Push } from './git/push.ts'
import { checkHook } from './git/receive.ts'
import { openRepositories } from './git/repo.ts'
import type { Logger } from './log.ts'
import { serveMounts } from './mounts/serve.ts'
import { createOutbound } from './outbound.ts'
import type { Core } from './plugin/core.ts'
import type { Context, Plugin } from './plugin/define.ts'
import { createDriver } from './plugin/driver.ts'
import { openRoster } from './plugin/roster.ts'
import { plainEnv, programVersion, root, type Settings } from './settings.ts'
import { ensureHostKey } from './ssh/hostkey.ts'
import { serveSsh } from './ssh/server.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/store.ts'
import type { App, AppName, Call, Session } from './types.ts'

/** How long sessions under way have when the daemon is asked to end. Apps and proxy go on without it. */
const graceMs = 10_000

/** `davit serve`: everything but traffic, until the signal. The one place where all rooms are put together. */
export async function serve(
  settings: Settings,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  for (const folder of ['git', 'ssh'])
    mkdirSync(join(settings.data, folder), { recursive: true, mode: 0o700 })
  const hooksFolder = join(root, 'scripts/git-hooks')
  await checkHook(hooksFolder)
  const store = openStore({ file: join(settings.data, 'davit.db'), keyFile: join(settings.data, 'seal.key') })
  const pidFile = join(settings.data, 'daemon.pid')
  writeFileSync(pidFile, `${process.pid}\n`)
  try {
    completeAudit(store, log)
    firstStart(settings, store, log)
    const late = new AbortController()
    signal.addEventListener('abort', () => setTimeout(() => late.abort(stopping()), graceMs).unref(), {
      once: true,
    })
    const engine = await engineUp(settings, { log, signal })
    const roster = openRoster({
      data: join(settings.data, 'plugins'),
      commands: commands.map(each => each.name),
      kv: name => kvOf(name, store),
      executables: executablesOf(log),
      log,
      signal,
      fault: (name, reason) => tellOff(name, reason, rooms),
      starting: noteStarts({ settings, log }),
      changed: members => {
        rooms.jobs.follow(members)
        rooms.routes.follow(members)
        watchdog.follow(roster.list())
      },
    })
    const reach = createOutbound({ allowed: settings.allowLocal })
    const cellar: Cellar = {
      settings,
      store,
      engine,
      edge: connectEdge({ socketPath: join(settings.data, 'proxy/control.sock'), log }),
      repositories: openRepositories({
        folder: join(settings.data, 'git'),
        hooks: hooksFolder,
        env: plainEnv(),
        reach,
        log,
      }),
      reach,
      hooks: createDriver(roster.members, roster.failed),
      roster,
      log,
      signal,
      last: late.signal,
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
      slots: createSlots(() => Number(store.properties.get('builds', undefined, 'parallel') ?? usualBuilds)),
      attempts: createAttempts({ store, folder: join(settings.data, 'builds'), log }),
      plugins: createPlugins(() => rooms),
      routes: createRoutes(cellar),
    }
    const core = createCore(programVersion(), rooms)
    sweepPlugins(rooms)
    await finishPurges(rooms)
    const watchdog = watchFaults(rooms)
    const fault = takeUpFault(rooms)
    await roster.load(placesOf(rooms), name => createCore(programVersion(), rooms, name))
    if (fault?.plugin !== undefined) tellOff(fault.plugin, fault.reason, rooms)
    await open(core, rooms)
    watchdog.close()
    cellar.edge.close()
  } finally {
    store.close()
    rmSync(pidFile, { force: true })
  }
}

/** On a full disk Davit starts all the same. */
function completeAudit({ audit }: Store, log: Logger): void {
  try {
    audit.cutOff({ at: new Date() })
  } catch (err) {
    log.error({ err }, 'the audit could not be completed; the next start tries again')
  }
}

/** Takes up what was interrupted, lets people in, and closes in the opposite order. */
async function open(core: Core, rooms: Rooms): Promise<void> {
  const { settings, log, signal } = rooms
  await rooms.routes
    .syncAll()
    .catch((err: unknown) => log.warn({ err }, 'the proxy is told the table when it is there'))
  await removeTasks(rooms)
  await resume(rooms)
  await ensureRepositories(rooms)
  const reconciler = createReconciler(rooms)
  // After a reboot there is much to bring back; people need not wait for it.
  rooms.background.run('reconcile', () => reconciler.watch())
  const own: Context = { core, kv: kvOf('davit', rooms.store), dir: settings.data, log, signal: rooms.last }
  rooms.jobs.begin({ plugin: itself(rooms), context: own })

  const run = desk(own, rooms)
  const mounts = await serveMounts(mountSocket(settings.data), rooms)
  const local = await serveLocal({ path: settings.socket, run, log })
  const ssh = await serveSsh({
    listen: settings.inherited.ssh === undefined ? settings.sshListen : { fd: settings.inherited.ssh },
    hostKey: await ensureHostKey(join(settings.data, 'ssh')),
    findIdentity: fingerprint => identityOf(fingerprint, rooms.store),
    run,
    log,
  })
  welcome(ssh.port, rooms)
  await aborted(signal)
  log.info('the daemon ends; apps and proxy go on')
  local.close()
  mounts.close()
  await ssh.close({ graceMs })
  await Promise.all([rooms.queue.idle(), rooms.services.idle()])
  await rooms.roster.close()
  await Promise.race([rooms.background.idle(), pause(graceMs, undefined, { ref: false })])
}

function welcome(port: number, { settings, store, log }: Rooms): void {
  log.info(`ready: SSH on port ${port}, local socket ${settings.socket}`)
  if (store.keys.list().length === 0) {
    const davit = settings.dev ? 'scripts/davit' : 'davit'
    log.warn(`nobody can come in over SSH yet. Let a key in: ${davit} ssh-keys:add NAME FILE`)
  } else if (settings.dev) {
    log.info(`make an app:  ssh -p ${port} davit@localhost apps:create hello`)
    log.info(`put it live:  git push ssh://davit@localhost:${port}/hello main`)
    log.info(`look at it:   http://hello.localhost:${settings.httpListen.port}`)
  }
}

/** What Davit does by the clock, it does as a plugin would. */
function itself(rooms: Rooms): Plugin {
  return { name: 'davit', about: 'Davit itself', api: 1, jobs: upkeepJobs(rooms) }
}

function desk(own: Context, rooms: Rooms): (session: Session) => Promise<number> {
  const { core } = own
  const { store, log, repositories, pushes } = rooms
  const accept = (app: App, push: Push, call: Call) => acceptPush(app, push, call, rooms)
  const settled = (name: AppName, call: Call) => renaming.settled(name, call, rooms)
  const git = (words: readonly string[], session: Session) =>
    serveGit(words, session, { core, repositories, log, accept, settled, pushes })
  const entriesNow = openEntries(own, rooms.roster)
  const { hooks, operations } = rooms
  return session =>
    dispatch(session, { ...entriesNow(), store, log, git, remote: core.remote, hooks, operations })
}

/** The engine may come later than we do, as after a reboot. */
async function engineUp(
  { docker, instance }: Settings,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<Engine> {
  for (;;) {
    try {
      return await openEngine({ socketPath: docker, instance })
    } catch (error) {
      if (!(error instanceof UserError) || signal.aborted) throw error
      log.warn(`${error.message} Trying again.`)
      await pause(1_000, undefined, { signal }).catch(() => {
        throw stopping()
      })
    }
  }
}

function stopping(): Cancelled {
  return new Cancelled('Davit is being stopped.')
}

function identityOf(fingerprint: string, { keys }: Store) {
  const key = keys.find(fingerprint)
  return key && { person: key.person, key: key.fingerprint, role: key.role }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
