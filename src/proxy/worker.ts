import type { Server } from 'node:http'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import { openLog } from '../log.ts'
import { giveBackAtRest } from '../rest.ts'
import { type Balance, openBalance } from './balance.ts'
import { openGuard } from './guard.ts'
import type { Limits } from './limits.ts'
import type { Order, SentOrder, WorkerSays } from './orders.ts'
import { openPlaces } from './places.ts'
import { makeServer } from './server.ts'
import { openTable } from './table.ts'
import { openTraffic, type Traffic } from './traffic.ts'
import { openTrials } from './trial.ts'
import { trusting } from './trust.ts'
import { openUpstreams, type Upstreams } from './upstreams.ts'

/** For WebSockets to be closed from the other side too. */
const partMs = 1_500

/** For requests on their way over connections that were accepted before the end. */
const lingerMs = 250

/** One worker: a table in memory, a server on an inherited socket. It lives as long as the primary holds the channel. */
function work() {
  const log = openLog('proxy')
  const traffic = openTraffic()
  const table = openTable()
  const trust = trusting([])
  const balance = openBalance()
  const places = openPlaces(balance)
  const trials = openTrials()
  let serving: { server: Server; upstreams: Upstreams; limits: Limits } | undefined
  let leaving = false

  async function obey(order: Order): Promise<unknown> {
    switch (order.verb) {
      case 'start':
        table.sync(order.routes)
        trials.sync(order.routes)
        serving = await serve(order)
        return
      case 'sync':
        table.sync(order.routes)
        trials.sync(order.routes)
        return
      case 'point':
        table.point(order.route)
        trials.point(order.route)
        places.changed(order.route.app)
        return
      case 'forget':
        table.forget(order.app)
        trials.forget(order.app)
        return
      case 'drain':
        return drain(order, { traffic, upstreams: serving?.upstreams, balance })
      case 'pause':
        return places.pause(order.app, order)
      case 'resume':
        return places.resume(order.app)
      case 'trial':
        return trials.counts(order.app)
      case 'stats':
        return traffic.stats()
    }
  }

  async function serve({ fd, limits }: Order & { verb: 'start' }) {
    const upstreams = openUpstreams(limits)
    const server = makeServer({
      find: table.find,
      upstreams,
      places,
      guard: openGuard(limits),
      traffic,
      limits,
      trust: () => trust,
      leaving: () => leaving,
      note: trials.note,
      report: error => log.error({ err: error }, 'a request met a bug'),
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, resolve)
    })
    return { server, upstreams, limits }
  }

  /** Takes no more, finishes what it has, then ends; WebSockets end with it. */
  async function leave() {
    if (leaving) return
    leaving = true
    if (serving) {
      const { server, limits } = serving
      // Accepts no more. The close of node:http would also end connections whose first request is still on its way.
      net.Server.prototype.close.call(server)
      await pause(lingerMs)
      await Promise.all([traffic.quiet(limits.stopMs), traffic.part(partMs)])
    }
    process.exit(0)
  }

  process.on('message', ({ id, order }: SentOrder) => {
    obey(order).then(
      value => say({ id, value }),
      error => {
        log.fatal({ err: error }, 'a worker cannot go on')
        process.exit(1)
      },
    )
  })
  process.on('SIGTERM', leave)
  process.on('disconnect', leave)
  // A terminal's Ctrl-C goes to the whole group; the primary decides.
  process.on('SIGINT', () => {})
  giveBackAtRest()
  say('awake')
}

async function drain(
  { upstreams, timeoutMs, websocketMs = timeoutMs }: Order & { verb: 'drain' },
  {
    traffic,
    upstreams: open,
    balance,
  }: { traffic: Traffic; upstreams: Upstreams | undefined; balance: Balance },
): Promise<number> {
  const ended = await traffic.drain(upstreams, { timeoutMs, websocketMs })
  for (const name of upstreams) {
    open?.release(name)
    balance.forget(name)
  }
  return ended
}

function say(words: WorkerSays) {
  // The primary may be gone: `disconnect` says so.
  process.send?.(words, undefined, undefined, () => {})
}

work()
