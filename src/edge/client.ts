import { UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Route } from '../types.ts'
import { away, type Deadline, keepLine } from './line.ts'
import { listOf, mapOf, objectOf, wholeOf } from './values.ts'
import {
  type Crossing,
  type Edge,
  type ReleaseCounts,
  type Request,
  type Stats,
  usualOptions,
} from './wire.ts'

/** How long a call waits for a connection, and beyond its own time for an answer. */
export interface Patience {
  readonly usualMs: number
  /** While the proxy is being replaced, or has ended and is to come up again. */
  readonly replacedMs: number
}

const usual: Patience = { usualMs: 10_000, replacedMs: 30_000 }
/** After which it is written down for what a call waits. */
const longMs = 2_000
/** For a proxy to come up beside the one there is. */
const upgradeMs = 120_000

/**
 * The proxy's control socket as an Edge. It connects by itself, again and again. What was asked when a connection broke is asked
 * anew on the next one: every verb may be repeated.
 */
export function connectEdge({ socketPath, log, patience = usual }: EdgeParts): Edge {
  const line = keepLine(socketPath, log)
  let upgrades = 0

  const waits = () => {
    if (upgrades > 0) return 'it is being replaced'
    return line.state() === 'gone' ? 'it has ended and is to come up again' : undefined
  }
  /** How long a call that has begun now may take; longer from the moment it meets a proxy that is replaced. */
  function patiently(verb: string, ownMs: number): Deadline {
    const began = Date.now()
    let ms = patience.usualMs
    return {
      leftMs() {
        if (waits()) ms = patience.replacedMs
        return began + ownMs + ms - Date.now()
      },
      missed: () =>
        away(`The proxy has not answered ${verb} within ${(ownMs + ms) / 1000} s${reason(waits())}.`),
    }
  }
  async function call(request: Request, ownMs = 0): Promise<unknown> {
    const deadline = patiently(request.verb, ownMs)
    const long = setTimeout(
      () => log.info(`${request.verb} waits for the proxy${reason(waits())}`),
      ownMs + longMs,
    )
    try {
      for (;;) {
        const connection = await line.connected(deadline)
        const answer = await connection.ask(request, deadline)
        if (answer === 'lost') continue
        if (answer.ok) return answer.value
        throw new Error(`the proxy refused ${request.verb}: ${answer.error}`)
      }
    } finally {
      clearTimeout(long)
    }
  }
  async function upgrade(): Promise<unknown> {
    upgrades++
    return call({ verb: 'upgrade' }, upgradeMs).finally(() => upgrades--)
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
    upgrade: async () => upgradeOf(await upgrade()),
    waits,
    stats: async () => statsOf(await call({ verb: 'stats' })),
    onConnect: line.onConnect,
    close: line.close,
  }
}

export interface EdgeParts {
  readonly socketPath: string
  readonly log: Logger
  readonly patience?: Patience
}

function reason(waits: string | undefined): string {
  return waits === undefined ? '' : `: ${waits}`
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
    const { requests, failed, p95Ms } = objectOf(each, 'counts')
    return [
      release,
      {
        requests: wholeOf(requests, 'requests', Number.MAX_SAFE_INTEGER),
        failed: wholeOf(failed, 'failed', Number.MAX_SAFE_INTEGER),
        p95Ms: typeof p95Ms === 'number' ? p95Ms : null,
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
