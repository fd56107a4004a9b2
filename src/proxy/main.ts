import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { type Crossing, type Upgrade, usualOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Handle } from '../listen.ts'
import { openLog } from '../log.ts'
import { installedProgram, type Settings } from '../settings.ts'
import { openCertificates } from './certificates.ts'
import { type ChangeVerb, isChange, type Known, openChanges, usable } from './changes.ts'
import { openControl, type Verb, type WorkersVerb } from './control.ts'
import { allOf } from './crossing.ts'
import { answerMs, type Fleet, openFleet } from './fleet.ts'
import { openHeldPorts } from './heldports.ts'
import { keepOnDisk } from './kept.ts'
import { openLedger } from './ledger.ts'
import { usualLimits } from './limits.ts'
import type { Order } from './orders.ts'
import { type Drain, findPredecessor } from './predecessor.ts'
import { keepSecrets } from './secrets.ts'
import { openSnapshot } from './snapshot.ts'
import { takeSockets } from './sockets.ts'
import { type Successor, startSuccessor } from './successor.ts'
import { findSupervisor, type Supervisor } from './supervisor.ts'
import { sumOf, type TrialCounts } from './trial.ts'

export interface ProxyOptions {
  /** Starts the program that is installed now, as a proxy. */
  readonly command?: () => readonly string[]
}

/**
 * `davit proxy`: serves from its snapshot at once, takes the daemon's word when it comes, ends on SIGTERM, with its supervisor, or when another
 * serves in its place.
 */
export async function proxy(settings: Settings, { command = installed }: ProxyOptions = {}): Promise<void> {
  const log = openLog('proxy')
  const before = findPredecessor(settings)
  const supervisor = findSupervisor(settings)
  const end = untilEnd(supervisor)
  const dir = join(settings.data, 'proxy')
  // The daemon's group reads the logs, nobody else.
  process.umask(0o027)
  await mkdir(dir, { recursive: true, mode: 0o750 })

  const crew = Promise.withResolvers<Fleet>()
  const replaced = Promise.withResolvers<Successor>()
  let upgrading: Promise<Upgrade> | undefined
  const listen = () =>
    openControl(join(dir, 'control.sock'), {
      log,
      obey: async request => obey(request, await crew.promise),
    })
  // A proxy that runs already is found here, before anything is touched. One that is to be succeeded lets go later.
  let control = before ? undefined : await listen()
  const snapshot = openSnapshot(dir, log)
  const known: Known = { routes: new Map(), certificates: openCertificates(), options: usualOptions }
  const ports = openHeldPorts({
    ...{ host: settings.httpListen.host, routes: known.routes, log },
    opened: (port, handle) => fleet.offer(port, handle),
  })
  const load = async () => {
    for (const route of await snapshot.table.load()) known.routes.set(route.app, route)
    known.certificates.sync(usable(await snapshot.loadCertificates(), log))
    known.options = await snapshot.loadOptions()
  }
  const loaded = before ? before.begin.then(inherit).then(load) : load()
  const secrets = await keepSecrets(ticketKeys => {
    void crew.promise.then(workers => workers.ask({ verb: 'tickets', ticketKeys }))
  }, log)
  const sockets = takeSockets(settings, log)
  const ledger = openLedger(dir, {
    metricsListen: settings.metricsListen,
    apps: () => new Set(known.routes.keys()),
    loaded,
    workers: () => fleet.size(),
    log,
  })
  const told = () => ({
    routes: [...known.routes.values()],
    certificates: known.certificates.all(),
    options: known.options,
  })
  const kept = keepOnDisk(told, snapshot, log)
  const changes = openChanges(known, { kept, follow })
  const fleet = openFleet({
    workers: settings.workers,
    begin: loaded,
    ...{ sockets, ports },
    limits: usualLimits,
    state: () => ({ ...told(), secrets: secrets.now() }),
    ledger,
    log,
  })
  crew.resolve(fleet)
  void fleet.ready.then(() => log.info(`serving ${known.routes.size} apps with ${settings.workers} workers`))
  if (before) {
    void fleet.awake.then(() => before.say('awake'))
    void fleet.whole.then(() => before.say('serving'))
    await before.over
    control = await listen()
  }
  await loaded
  await writeFile(join(dir, 'proxy.pid'), `${process.pid}\n`)

  const next = await Promise.race([end, replaced.promise])
  secrets.stop()
  await control?.close()
  if (typeof next === 'string') {
    log.info(`the proxy ends: ${next}`)
    await kept.close()
    await fleet.stop()
  } else {
    log.info(`the proxy ends: process ${next.pid} serves in its place`)
    next.over()
    await ledger.close()
    void end.then(() => fleet.stop())
    await fleet.retire()
  }
  sockets.http.close()
  sockets.https?.close()
  ports.close()
  await ledger.close()
  if (typeof next === 'string') await rm(join(dir, 'proxy.pid'), { force: true })

  function inherit(held: ReadonlyMap<number, Handle>) {
    for (const [port, handle] of held) ports.inherit(port, handle)
  }

  function follow(order: Verb) {
    ledger.follow(order)
    ports.settle()
  }

  async function obey(request: Verb, workers: Fleet): Promise<unknown> {
    await workers.ready
    switch (request.verb) {
      case 'metrics':
        return ledger.recent(request.app)
      case 'upgrade':
        upgrading ??= upgrade().finally(() => {
          upgrading = undefined
        })
        return upgrading
      case 'drain':
        return drainAll(request)
      case 'pause':
      case 'resume':
        await all(request)
        return undefined
      default:
        return isChange(request) ? changes.make(request, { ask: all }) : answer(request, workers)
    }
  }

  /** Those of the one before too, which says nothing that counts. */
  async function all(order: Order): Promise<unknown[]> {
    const [said] = await Promise.all([fleet.ask(order), before?.tell(order)])
    return said
  }

  /** What the one before has under way there counts too. */
  async function drainAll(request: Drain): Promise<number> {
    const ended = await Promise.all([drain(request, fleet), before?.drain(request) ?? 0])
    return ended[0] + ended[1]
  }

  /** The next one comes up beside this one; only when all of it serves does this one let go. */
  async function upgrade(): Promise<Upgrade> {
    let successor: Successor | undefined
    try {
      const next = await startSuccessor({
        ...{ command: command(), sockets, settings, supervisor: supervisor.fd },
        ...{ drain: drainAll, follow: all },
      })
      successor = next
      await changes.hold(async () => {
        await kept.gather()
        if (kept.owes()) throw new Error('what is in force cannot be written to the disk')
        await next.serve(ports.all())
        await supervisor.succeeded(next.pid)
        return 'for good'
      })
      // Whoever has asked is answered first.
      setImmediate(() => replaced.resolve(next))
      return { was: process.pid, pid: next.pid }
    } catch (error) {
      successor?.end()
      log.error(`the proxy is not replaced: ${messageOf(error)}`)
      return { failed: messageOf(error) }
    }
  }
}

const installed = () => [join(installedProgram(), 'scripts/davit'), 'proxy']

type Question = Exclude<WorkersVerb, ChangeVerb | { verb: 'drain' | 'pause' | 'resume' | 'metrics' }>

async function drain(request: Drain, fleet: Fleet): Promise<number> {
  const ended = await fleet.ask(request, {
    withinMs: Math.max(request.timeoutMs, request.websocketMs ?? 0) + answerMs,
  })
  return ended.reduce<number>((sum, count) => sum + Number(count), 0)
}

async function answer(request: Question, fleet: Fleet): Promise<unknown> {
  if (request.verb === 'crossing') {
    return allOf((await fleet.ask(request, { withinMs: 1000 + answerMs })) as Crossing[])
  }
  if (request.verb === 'trial') return sumOf((await fleet.ask(request)) as TrialCounts[])
  const counts = (await fleet.ask(request)) as { requests: number; inFlight: number }[]
  return {
    workers: counts.length,
    requests: counts.reduce((sum, { requests }) => sum + requests, 0),
    inFlight: counts.reduce((sum, { inFlight }) => sum + inFlight, 0),
  }
}

/** Why the proxy ends. */
function untilEnd(supervisor: Supervisor): Promise<string> {
  return new Promise(resolve => {
    supervisor.whenGone(() => resolve('its supervisor is gone'))
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, resolve)
  })
}
