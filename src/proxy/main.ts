import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Crossing, EdgeOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import { type Logger, openLog } from '../log.ts'
import type { Settings } from '../settings.ts'
import type { Certificate } from '../types.ts'
import { type Certificates, openCertificates, refuseBroken } from './certificates.ts'
import { openControl, type Verb } from './control.ts'
import { allOf } from './crossing.ts'
import { answerMs, type Fleet, openFleet } from './fleet.ts'
import { type Kept, keepOnDisk, type Part } from './kept.ts'
import { openLedger } from './ledger.ts'
import { usualLimits } from './limits.ts'
import { keepSecrets } from './secrets.ts'
import { openSnapshot } from './snapshot.ts'
import { takeSockets } from './sockets.ts'
import { openTable, type Table } from './table.ts'
import { sumOf, type TrialCounts } from './trial.ts'

/** `davit proxy`: serves from its snapshot at once, takes the daemon's word when it comes, ends on SIGTERM or with its supervisor. */
export async function proxy(settings: Settings): Promise<void> {
  const log = openLog('proxy')
  const end = untilEnd()
  const dir = join(settings.data, 'proxy')
  // The daemon's group reads the logs, nobody else.
  process.umask(0o027)
  await mkdir(dir, { recursive: true, mode: 0o750 })

  // A proxy that runs already is found here, before anything is touched.
  const crew = Promise.withResolvers<Fleet>()
  const control = await openControl(join(dir, 'control.sock'), {
    log,
    obey: async request => obey(request, await crew.promise),
  })
  const snapshot = openSnapshot(dir, log)
  const known: Known = {
    table: openTable(await snapshot.loadRoutes()),
    certificates: openCertificates(usable(await snapshot.loadCertificates(), log)),
    options: await snapshot.loadOptions(),
  }
  const secrets = await keepSecrets(ticketKeys => {
    void crew.promise.then(workers => workers.ask({ verb: 'tickets', ticketKeys }))
  }, log)
  const sockets = takeSockets(settings, log)
  const ledger = openLedger(dir, {
    metricsListen: settings.metricsListen,
    apps: () => new Set(known.table.routes().map(({ app }) => app)),
    workers: () => fleet.size(),
    log,
  })
  const told = () => ({
    routes: known.table.routes(),
    certificates: known.certificates.all(),
    options: known.options,
  })
  const kept = keepOnDisk(told, snapshot, log)
  const change = changes(known, { kept, follow: ledger.follow })
  const fleet = openFleet({
    workers: settings.workers,
    sockets,
    limits: usualLimits,
    state: () => ({
      host: settings.httpListen.host,
      ...told(),
      secrets: secrets.now(),
    }),
    ledger,
    log,
  })
  crew.resolve(fleet)
  await writeFile(join(dir, 'proxy.pid'), `${process.pid}\n`)
  void fleet.ready.then(() =>
    log.info(`serving ${known.table.routes().length} apps with ${settings.workers} workers`),
  )

  log.info(`the proxy ends: ${await end}`)
  secrets.stop()
  await control.close()
  await kept.close()
  await fleet.stop()
  sockets.http.close()
  sockets.https?.close()
  await ledger.close()
  await rm(join(dir, 'proxy.pid'), { force: true })

  async function obey(request: Verb, workers: Fleet): Promise<unknown> {
    await workers.ready
    if (request.verb === 'metrics') return ledger.recent(request.app)
    const wanted = changeOf(request.verb === 'sync' ? withKept(request, known) : request)
    return wanted ? change(wanted, workers) : answer(request, workers)
  }
}

/** Everything that the daemon has told. */
interface Known {
  readonly table: Table
  readonly certificates: Certificates
  options: EdgeOptions
}

interface Change {
  /** Throws before anything is changed when it cannot be. */
  apply(known: Known): void
  /** Told to the workers. */
  readonly order: Verb
  readonly keeps: readonly Part[]
  readonly value?: unknown
}

/** With the routes that are to stay, as they are here. */
function withKept(request: Verb & { verb: 'sync' }, { table }: Known): Verb {
  const kept = new Set(request.keep)
  const routes = kept.size === 0 ? [] : table.routes().filter(({ app }) => kept.has(app))
  return { ...request, routes: [...request.routes, ...routes] }
}

/** What the verb changes; undefined when it is a question. */
function changeOf(request: Verb): Change | undefined {
  switch (request.verb) {
    case 'sync':
      return syncOf(request)
    case 'point':
      return { order: request, keeps: ['routes'], apply: ({ table }) => table.point(request.route) }
    case 'forget':
      return { order: request, keeps: ['routes'], apply: ({ table }) => table.forget(request.app) }
    case 'options':
      return {
        order: request,
        keeps: ['options'],
        apply: known => {
          known.options = request.options
        },
      }
    case 'rename':
      return { order: request, keeps: [], apply: () => undefined }
    case 'certificate':
      refuseBroken(request.certificate)
      return {
        order: request,
        keeps: ['certificates'],
        apply: ({ certificates }) => certificates.put(request.certificate),
      }
    case 'forgetCertificate':
      return {
        order: request,
        keeps: ['certificates'],
        apply: ({ certificates }) => certificates.forget(request.name),
      }
    default:
      return undefined
  }
}

/** What is broken is left out and answered; the rest counts. */
function syncOf(request: Verb & { verb: 'sync' }): Change {
  const refused: string[] = []
  const certificates = sound(request.certificates, why => refused.push(why))
  return {
    order: { ...request, certificates },
    keeps: ['routes', 'certificates', 'options'],
    apply: known => {
      known.table.sync(request.routes)
      known.certificates.sync(certificates)
      known.options = request.options
    },
    value: refused,
  }
}

function usable(certificates: readonly Certificate[], log: Logger): readonly Certificate[] {
  return sound(certificates, why => log.error(why))
}

function sound(certificates: readonly Certificate[], refuse: (why: string) => void): readonly Certificate[] {
  return certificates.filter(each => {
    try {
      refuseBroken(each)
      return true
    } catch (error) {
      refuse(messageOf(error))
      return false
    }
  })
}

/** One change after another: into every worker, then onto the disk. */
function changes(known: Known, { kept, follow }: { kept: Kept; follow: (order: Verb) => void }) {
  let last: Promise<unknown> = Promise.resolve()
  return ({ apply, order, keeps, value }: Change, workers: Fleet): Promise<unknown> => {
    const next = last.then(async () => {
      apply(known)
      const said = await workers.ask(order)
      follow(order)
      await kept.keep(keeps)
      return order.verb === 'point' ? closed(said) : value
    })
    last = next.catch(() => {})
    return next
  }
}

/** Ports that some worker could not open. */
function closed(said: readonly unknown[]): readonly number[] {
  return [...new Set((said as (readonly number[])[]).flat())]
}

async function answer(request: Verb, fleet: Fleet): Promise<unknown> {
  if (request.verb === 'drain') {
    const ended = await fleet.ask(request, {
      withinMs: Math.max(request.timeoutMs, request.websocketMs ?? 0) + answerMs,
    })
    return ended.reduce<number>((sum, count) => sum + Number(count), 0)
  }
  if (request.verb === 'pause' || request.verb === 'resume') {
    await fleet.ask(request)
    return undefined
  }
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

/** Why the proxy ends. The channel's end means that the supervisor is gone. */
function untilEnd(): Promise<string> {
  return new Promise(resolve => {
    const tell = (why: string) => {
      process.off('disconnect', orphaned)
      resolve(why)
    }
    const orphaned = () => tell('its supervisor is gone')
    process.on('disconnect', orphaned)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, tell)
  })
}
