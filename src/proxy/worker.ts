import type { Server } from 'node:http'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import { openLog } from '../log.ts'
import { type Forward, openForward } from './forward.ts'
import type { Limits } from './limits.ts'
import type { Order, SentOrder, WorkerSays } from './orders.ts'
import { makeServer } from './server.ts'
import { forgotten, pointed, type Table, tableOf } from './table.ts'
import { openTraffic, type Traffic } from './traffic.ts'

/** For requests on their way over connections that were accepted before the end. */
const lingerMs = 250

/** One worker: a table in memory, a server on an inherited socket. It lives as long as the primary holds the channel. */
function work() {
  const log = openLog('proxy')
  const traffic = openTraffic()
  let table: Table = tableOf([])
  let serving: { server: Server; forward: Forward; limits: Limits } | undefined
  let leaving = false

  async function obey(order: Order): Promise<unknown> {
    switch (order.verb) {
      case 'start':
        table = tableOf(order.routes)
        serving = await serve(order)
        return
      case 'sync':
        table = tableOf(order.routes)
        return
      case 'point':
        table = pointed(table, order.route)
        return
      case 'forget':
        table = forgotten(table, order.app)
        return
      case 'drain':
        return drain(order, { traffic, forward: serving?.forward })
      case 'stats':
        return traffic.stats()
    }
  }

  async function serve({ fd, limits }: Order & { verb: 'start' }) {
    const forward = openForward(limits)
    const report = (error: unknown) => log.error({ err: error }, 'a request met a bug')
    const server = makeServer({ find: name => table.find(name), forward, traffic, limits, report })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, resolve)
    })
    return { server, forward, limits }
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
      await traffic.quiet(limits.stopMs)
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
  say('awake')
}

async function drain(
  { upstreams, timeoutMs }: Order & { verb: 'drain' },
  { traffic, forward }: { traffic: Traffic; forward: Forward | undefined },
): Promise<number> {
  const ended = await traffic.drain(upstreams, timeoutMs)
  for (const name of upstreams) forward?.release(name)
  return ended
}

function say(words: WorkerSays) {
  // The primary may be gone: `disconnect` says so.
  process.send?.(words, undefined, undefined, () => {})
}

work()
