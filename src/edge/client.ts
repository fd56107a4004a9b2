import { connect, type Socket } from 'node:net'

import { messageOf, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Route } from '../types.ts'
import { frame, readFrames } from './frames.ts'
import { answerOf } from './shape.ts'
import { listOf, mapOf, objectOf, wholeOf } from './values.ts'
import {
  type Answer,
  type Crossing,
  type Edge,
  type ReleaseCounts,
  type Request,
  type Stats,
  usualOptions,
  wireVersion,
} from './wire.ts'

/** How long a call waits for a connection, and beyond its own time for an answer. */
const patienceMs = 10_000
/** For a proxy to come up beside the one there is. */
const upgradeMs = 120_000

/**
 * The proxy's control socket as an Edge. It connects by itself, again and again. What was asked when a connection broke is asked
 * anew on the next one: every verb may be repeated.
 */
export function connectEdge({ socketPath, log }: { socketPath: string; log: Logger }): Edge {
  const line = keepLine(socketPath, log)

  async function call(request: Request, ownMs = 0): Promise<unknown> {
    const deadline = Date.now() + ownMs + patienceMs
    for (;;) {
      const connection = await line.connected(Math.min(Date.now() + patienceMs, deadline))
      const answer = await connection.ask(request, deadline)
      if (answer === 'lost') continue
      if (answer.ok) return answer.value
      throw new Error(`the proxy refused ${request.verb}: ${answer.error}`)
    }
  }

  return {
    sync: async (routes, certificates = [], options = usualOptions, keep = []) => {
      const refused = await call({ verb: 'sync', routes, certificates, options, keep })
      return Array.isArray(refused) ? refused.map(String) : []
    },
    options: async options => void (await call({ verb: 'options', options })),
    point: async (route: Route) =>
      listOf((await call({ verb: 'point', route })) ?? [], 'ports').map(port =>
        wholeOf(port, 'port', 65_535),
      ),
    forget: async (app: string) => void (await call({ verb: 'forget', app })),
    certificate: async certificate => void (await call({ verb: 'certificate', certificate })),
    forgetCertificate: async name => void (await call({ verb: 'forgetCertificate', name })),
    rename: async (was, app) => void (await call({ verb: 'rename', was, app })),
    drain: async (upstreams, { timeoutMs, websocketMs = timeoutMs }) => {
      const longest = Math.max(timeoutMs, websocketMs)
      const ended = await call({ verb: 'drain', upstreams, timeoutMs, websocketMs }, longest)
      return typeof ended === 'number' ? ended : 0
    },
    pause: async (app, { capMs }) => void (await call({ verb: 'pause', app, capMs })),
    resume: async app => void (await call({ verb: 'resume', app })),
    trial: async app => countsOf(await call({ verb: 'trial', app })),
    crossing: async app => crossingOf(await call({ verb: 'crossing', app })),
    metrics: async app => {
      const all = await call({ verb: 'metrics', ...(app === undefined ? {} : { app }) })
      return Array.isArray(all) ? all : []
    },
    upgrade: async () => upgradeOf(await call({ verb: 'upgrade' }, upgradeMs)),
    stats: async () => statsOf(await call({ verb: 'stats' })),
    onConnect: line.onConnect,
    close: line.close,
  }
}

interface Connection {
  ask(request: Request, deadline: number): Promise<Answer | 'lost'>
}

interface Line {
  connected(deadline: number): Promise<Connection>
  onConnect(listener: () => void): void
  close(): void
}

/** Connects, says hello, and connects again with back-off whenever the connection goes. */
function keepLine(socketPath: string, log: Logger): Line {
  const listeners: (() => void)[] = []
  const waiting = new Set<(connection: Connection | undefined) => void>()
  let connection: Connection | undefined
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let pauseMs = 50
  let closed = false

  function dial() {
    socket = connect(socketPath)
    const next = speak(socket)
    const greet = async () => {
      const answer = await next.ask({ verb: 'hello', version: wireVersion }, Date.now() + patienceMs)
      if (answer !== 'lost' && answer.ok) return ready(next)
      if (answer !== 'lost') log.error(`the proxy does not take us: ${answer.error}`)
      socket?.destroy()
    }
    socket.once('connect', () => {
      greet().catch((error: unknown) => {
        log.warn(`the proxy does not answer: ${messageOf(error)}`)
        socket?.destroy()
      })
    })
    socket.on('error', error => log.debug(`the proxy's socket: ${messageOf(error)}`))
    socket.once('close', again)
  }

  function ready(next: Connection) {
    connection = next
    pauseMs = 50
    log.info('connected to the proxy')
    // Listeners tell the whole table first; whoever waited comes after them.
    for (const listener of listeners) listener()
    for (const wake of waiting) wake(next)
    waiting.clear()
  }

  function again() {
    if (connection) log.warn('the connection to the proxy is gone')
    connection = undefined
    if (closed) return
    timer = setTimeout(dial, pauseMs)
    pauseMs = Math.min(pauseMs * 2, 2000)
  }

  dial()
  return {
    connected: async deadline => {
      if (closed) throw away('The connection to the proxy is closed.')
      return connection ?? comes(waiting, deadline)
    },
    onConnect: listener => {
      listeners.push(listener)
      if (connection) queueMicrotask(listener)
    },
    close: () => {
      closed = true
      clearTimeout(timer)
      socket?.destroy()
      for (const wake of waiting) wake(undefined)
      waiting.clear()
    },
  }
}

function comes(waiting: Set<(c: Connection | undefined) => void>, deadline: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const wake = (connection: Connection | undefined) => {
      clearTimeout(timer)
      waiting.delete(wake)
      if (connection) resolve(connection)
      else reject(away('The proxy does not answer.'))
    }
    const timer = setTimeout(wake, Math.max(0, deadline - Date.now()), undefined)
    waiting.add(wake)
  })
}

/** Requests and answers by id over one socket. */
function speak(socket: Socket): Connection {
  const pending = new Map<number, (answer: Answer | 'lost') => void>()
  let last = 0
  readFrames(socket, message => {
    const answer = answerOf(message)
    pending.get(answer.id)?.(answer)
  })
  socket.once('close', () => {
    for (const settle of pending.values()) settle('lost')
  })
  return {
    ask: (request, deadline) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return resolve('lost')
        const id = ++last
        const timer = setTimeout(() => {
          pending.delete(id)
          reject(away(`The proxy has not answered ${request.verb}.`))
        }, deadline - Date.now())
        pending.set(id, answer => {
          clearTimeout(timer)
          pending.delete(id)
          resolve(answer)
        })
        socket.write(frame({ ...request, id }))
      }),
  }
}

function away(sentence: string): UserError {
  return new UserError('proxy-away', sentence, 'See whether it runs: systemctl status davit-proxy')
}

function upgradeOf(value: unknown): { was: number; pid: number } {
  const { was, pid, failed } = objectOf(value, 'upgrade')
  if (failed === undefined) return { was: Number(was), pid: Number(pid) }
  throw new UserError(
    'upgrade-failed',
    `The proxy is the one before: ${failed}.`,
    'It serves on. Its log says more.',
  )
}

function countsOf(value: unknown): ReadonlyMap<number, ReleaseCounts> {
  const counts = mapOf(value, 'counts', (release, each) => {
    const { requests, failed, buckets } = objectOf(each, 'counts')
    const list = listOf(buckets, 'buckets').map(count => wholeOf(count, 'count', Number.MAX_SAFE_INTEGER))
    return [
      release,
      {
        requests: wholeOf(requests, 'requests', Number.MAX_SAFE_INTEGER),
        failed: wholeOf(failed, 'failed', Number.MAX_SAFE_INTEGER),
        buckets: list,
      },
    ]
  })
  return new Map(Object.entries(counts).map(([release, each]) => [Number(release), each]))
}

function crossingOf(value: unknown): Crossing {
  const { byRelease, ...rest } = (value ?? {}) as Record<string, unknown>
  const { requests, lost, errors, slowestMs, underWay } = rest
  return {
    ...{ requests: Number(requests), lost: Number(lost), errors: Number(errors) },
    ...{ slowestMs: Number(slowestMs), underWay: Number(underWay) },
    byRelease: Object.fromEntries(
      Object.entries(byRelease ?? {}).map(([release, n]) => [release, Number(n)]),
    ),
  }
}

function statsOf(value: unknown): Stats {
  const { workers, requests, inFlight } = (value ?? {}) as Record<string, unknown>
  return { workers: Number(workers), requests: Number(requests), inFlight: Number(inFlight) }
}
