import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { ReleaseCounts } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import { type HeldSocket, openSocket } from '../listen.ts'
import { type Logger, openLog } from '../log.ts'
import type { Settings } from '../settings.ts'
import { openControl, type Verb } from './control.ts'
import { type Fleet, openFleet } from './fleet.ts'
import { usualLimits } from './limits.ts'
import { loadRoutes, saveRoutes } from './snapshot.ts'
import { openTable, type Table } from './table.ts'

/** `davit proxy`: serves from its snapshot at once, takes the daemon's word when it comes, ends on SIGTERM or with its supervisor. */
export async function proxy(settings: Settings): Promise<void> {
  const log = openLog('proxy')
  const told = untilTold()
  const dir = join(settings.data, 'proxy')
  await mkdir(dir, { recursive: true, mode: 0o750 })

  // A proxy that runs already is found here, before anything is touched.
  const crew = Promise.withResolvers<Fleet>()
  const control = await openControl(join(dir, 'control.sock'), {
    log,
    obey: async request => obey(request, await crew.promise),
  })
  const table = openTable(await loadRoutes(dir, log))
  const change = changes(dir, log)
  const socket = socketOf(settings)
  const fleet = openFleet({
    workers: settings.workers,
    fd: socket.fd,
    limits: usualLimits,
    routes: table.routes,
    log,
  })
  crew.resolve(fleet)
  await writeFile(join(dir, 'proxy.pid'), `${process.pid}\n`)
  void fleet.ready.then(() =>
    log.info(`serving ${table.routes().length} apps with ${settings.workers} workers`),
  )

  log.info(`the proxy ends: ${await told}`)
  await control.close()
  await fleet.stop()
  socket.close()
  await rm(join(dir, 'proxy.pid'), { force: true })

  async function obey(request: Verb, workers: Fleet): Promise<unknown> {
    await workers.ready
    const apply = changeOf(request)
    if (!apply) return answer(request, workers)
    await change(async () => {
      apply(table)
      await workers.ask(request)
      return table
    })
    return undefined
  }
}

/** The inherited socket, or one of our own: while we hold it, connections wait in the kernel until there is a worker again. */
function socketOf({ inherited, httpListen }: Settings): Pick<HeldSocket, 'fd' | 'close'> {
  if (inherited.http !== undefined) return { fd: inherited.http, close: () => {} }
  return openSocket(httpListen, { flag: 'http-listen' })
}

/** What the verb makes of the table; undefined when it is a question. */
function changeOf(request: Verb): ((table: Table) => void) | undefined {
  switch (request.verb) {
    case 'sync':
      return table => table.sync(request.routes)
    case 'point':
      return table => table.point(request.route)
    case 'forget':
      return table => table.forget(request.app)
    default:
      return undefined
  }
}

/** One change after another: into every worker, then onto the disk. */
function changes(dir: string, log: Logger) {
  let last: Promise<unknown> = Promise.resolve()
  return (apply: () => Promise<Table>): Promise<void> => {
    const next = last.then(async () => {
      const table = await apply()
      await saveRoutes(dir, table.routes()).catch(error =>
        // Traffic already goes the new way. The daemon tells the whole table again when the proxy restarts.
        log.error(`the routing table is not on the disk: ${messageOf(error)}`),
      )
    })
    last = next.catch(() => {})
    return next
  }
}

async function answer(request: Verb, fleet: Fleet): Promise<unknown> {
  if (request.verb === 'drain') {
    const ended = await fleet.ask(request, {
      withinMs: Math.max(request.timeoutMs, request.websocketMs ?? 0) + 1000,
    })
    return ended.reduce<number>((sum, count) => sum + Number(count), 0)
  }
  if (request.verb === 'pause' || request.verb === 'resume') {
    await fleet.ask(request)
    return undefined
  }
  if (request.verb === 'trial') return summed((await fleet.ask(request)) as Trial[])
  const counts = (await fleet.ask(request)) as { requests: number; inFlight: number }[]
  return {
    workers: counts.length,
    requests: counts.reduce((sum, { requests }) => sum + requests, 0),
    inFlight: counts.reduce((sum, { inFlight }) => sum + inFlight, 0),
  }
}

type Trial = Readonly<Record<string, ReleaseCounts>>

function summed(trials: readonly Trial[]): Trial {
  const releases = new Set(trials.flatMap(each => Object.keys(each)))
  return Object.fromEntries(
    [...releases].map(release => {
      const each = trials.flatMap(trial => trial[release] ?? [])
      const total = (of: (counts: ReleaseCounts) => number) =>
        each.reduce((sum, counts) => sum + of(counts), 0)
      const buckets = each[0]!.buckets.map((_, at) => total(counts => counts.buckets[at] ?? 0))
      return [
        release,
        { requests: total(counts => counts.requests), failed: total(counts => counts.failed), buckets },
      ]
    }),
  )
}

/** Why the proxy ends. The channel's end means that the supervisor is gone. */
function untilTold(): Promise<string> {
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
