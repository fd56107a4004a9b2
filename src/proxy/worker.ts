import net, { type Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import type { EdgeOptions } from '../edge/wire.ts'
import { openLog } from '../log.ts'
import { giveBackAtRest } from '../rest.ts'
import type { Route } from '../types.ts'
import { openBalance } from './balance.ts'
import { openCertificates } from './certificates.ts'
import { drain } from './drain.ts'
import { type Guard, openGuard } from './guard.ts'
import { openKeepsakes } from './keepsakes.ts'
import type { Limits } from './limits.ts'
import type { Order, SentOrder, SentPort, WorkerSays } from './orders.ts'
import { behindOrigins, listening, openOrigins, portOf } from './origins.ts'
import { openPlaces } from './places.ts'
import { openPorts, type Ports } from './ports.ts'
import { makeSecureServer, type SecureServer } from './secure.ts'
import type { Parts } from './serve.ts'
import { makeServer } from './server.ts'
import { makeServer2, type Server2 } from './server2.ts'
import { openSocketCalls } from './socket-calls.ts'
import { openTable } from './table.ts'
import { openTraffic } from './traffic.ts'
import { openTrials } from './trial.ts'
import { addressesOf, trusting } from './trust.ts'
import { openUpstreams, type Upstreams } from './upstreams.ts'
import { openWitness } from './witness.ts'

/** For WebSockets to be closed from the other side too. */
const partMs = 1_500

/** For the word of a trusted proxy where a connection comes from. */
const preambleMs = 5_000

/** For requests on their way over connections that were accepted before the end. */
const lingerMs = 250

/** One worker: table and certificates in memory, servers on inherited sockets. It lives as long as the primary holds the channel. */
function work() {
  const log = openLog('proxy')
  const traffic = openTraffic()
  const certificates = openCertificates()
  const table = openTable([], { has: certificates.has, port: () => serving?.httpsPort })
  let trust = trusting([])
  let isTrusted = addressesOf([])
  let proxied = false
  const origins = openOrigins({
    proxied: address => proxied && (isTrusted?.(address) ?? false),
    timeoutMs: preambleMs,
  })
  const balance = openBalance()
  const witness = openWitness({ folder: process.argv[2]!, log, send: report => say({ report }) })
  const places = openPlaces(balance, witness)
  const trials = openTrials()
  const keep = openKeepsakes()
  const sockets = openSocketCalls(port => void say({ needs: port }))
  let serving: Serving | undefined
  let leaving = false
  let unhurried = false
  const hurry = Promise.withResolvers<void>()

  function heed({ trustedProxies, proxyProtocol }: EdgeOptions) {
    trust = trusting(trustedProxies, origins)
    proxied = proxyProtocol
    isTrusted = addressesOf(trustedProxies)
  }

  function changesRelease({ app, release }: Route): boolean {
    const before = table.release(app)
    return before !== undefined && release !== undefined && before !== release
  }

  async function point(route: Route): Promise<readonly number[]> {
    if (changesRelease(route)) witness.crosses(route.app)
    table.point(route)
    trials.point(route)
    places.changed(route.app)
    return (await serving?.ports.point(route)) ?? []
  }

  async function obey(order: Order): Promise<unknown> {
    switch (order.verb) {
      case 'start':
        table.sync(order.routes)
        trials.sync(order.routes)
        certificates.sync(order.certificates)
        heed(order.options)
        serving = await serve(order)
        // The table may have changed meanwhile.
        await serving.ports.sync(table.routes())
        return
      case 'tickets':
        serving?.secure?.setTicketKeys(Buffer.from(order.ticketKeys, 'base64'))
        return
      case 'options':
        heed(order.options)
        return
      case 'point':
        return point(order.route)
      case 'points':
        await Promise.all(order.routes.map(point))
        return
      case 'forget':
        table.forget(order.app)
        trials.forget(order.app)
        witness.forget(order.app)
        serving?.ports.forget(order.app)
        return
      case 'rename':
        witness.rename(order.was, order.app)
        return
      case 'certificate':
        certificates.put(order.certificate)
        return
      case 'forgetCertificate':
        certificates.forget(order.name)
        return
      case 'drain':
        return drain(order, { traffic, upstreams: serving?.upstreams, balance })
      case 'pause':
        return places.pause(order.app, order)
      case 'resume':
        return places.resume(order.app)
      case 'trial':
        return trials.counts(order.app)
      case 'crossing':
        return witness.crossing(order.app)
      case 'retire':
        unhurried = true
        return
      case 'stats':
        return traffic.stats()
    }
  }

  async function serve(order: Order & { verb: 'start' }): Promise<Serving> {
    const { http, https, secrets, limits } = order
    const upstreams = openUpstreams()
    const report = (error: unknown) => log.error({ err: error }, 'a request met a bug')
    const parts: Parts = {
      find: table.find,
      upstreams,
      places,
      guard: openGuard(limits, address => isTrusted?.(address) ?? false),
      traffic,
      limits,
      trust: () => trust,
      leaving: () => leaving,
      ...{ enter: witness.enter, switched: witness.switched, noise: witness.noise, report },
      note: trip => {
        keep(trip)
        trials.note(trip)
        witness.note(trip)
      },
    }
    const http2: Server2[] = []
    const in2 = (of: Parts, scheme: 'http' | 'https') => {
      const server = makeServer2(of, scheme)
      http2.push(server)
      return server
    }
    const plainly = (of: Parts) => behindOrigins(makeServer(of, 'http', in2(of, 'http')), origins)
    const securely = (of: Parts) =>
      makeSecureServer({
        ...{ certificates, limits, report, guard: of.guard, origins },
        http2: in2(of, 'https'),
        fallback: secrets.fallback,
        ticketKeys: Buffer.from(secrets.ticketKeys, 'base64'),
        http1: makeServer(of, 'https'),
      })
    const serve = (of: Parts, { secure }: { secure: boolean }) => (secure ? securely(of).server : plainly(of))
    const ports = openPorts({ sockets, parts, balance, origins, carrying: witness.carrying, serve })
    const plain = plainly(parts)
    await listening(plain, http)
    const open = { plain, http2, ports, upstreams, guard: parts.guard, limits }
    if (https === undefined) return { ...open, secure: undefined, httpsPort: undefined }
    const secure = securely(parts)
    await listening(secure.server, https)
    return { ...open, secure, httpsPort: portOf(secure.server) }
  }

  /** Takes no more, finishes what it has, then ends; WebSockets end with it. */
  async function leave() {
    if (leaving) return hurry.resolve()
    leaving = true
    if (serving) {
      const { plain, secure, http2, limits, guard } = serving
      // Accepts no more. The close of node:http would also end connections whose first request is still on its way.
      for (const server of [plain, secure?.server]) if (server) net.Server.prototype.close.call(server)
      serving.ports.close()
      const ended = () => Promise.all(http2.map(each => each.end()))
      void ended()
      await pause(lingerMs)
      const heard = () => guard.heard().then(() => Promise.all([traffic.quiet(limits.stopMs), ended()]))
      const over = unhurried ? letGo(serving) : Promise.all([heard(), traffic.part(partMs)])
      await Promise.race([over, pause(unhurried ? limits.retireMs : limits.stopMs), hurry.promise])
    }
    await witness.close()
    process.exit(0)
  }

  /** Each connection ends with its next answer; WebSockets are closed after a while. */
  async function letGo({ guard, limits }: Serving) {
    await guard.empty(limits.partAfterMs)
    await traffic.part(partMs)
    await guard.empty(limits.retireMs)
  }

  process.on('message', (words: SentOrder | SentPort, handle: unknown) => {
    if ('port' in words) return sockets.hear(words.port, handle)
    const { id, order } = words
    obey(order).then(
      value => void say({ id, value }),
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
  void say('awake')
}

interface Serving {
  readonly plain: Server
  /** None where nothing is served over TLS. */
  readonly secure: SecureServer | undefined
  readonly httpsPort: number | undefined
  /** Of all that is listened on. */
  readonly http2: readonly Server2[]
  readonly ports: Ports
  readonly upstreams: Upstreams
  readonly guard: Guard
  readonly limits: Limits
}

/** Settles when it is on its way. The primary may be gone: `disconnect` says so. */
function say(words: WorkerSays): Promise<void> {
  return new Promise(resolve => {
    if (process.send) process.send(words, undefined, undefined, () => resolve())
    else resolve()
  })
}

work()
