import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

import type { Engine } from '../docker/engine.ts'
import { Cancelled, UserError } from '../errors.ts'
import type { Container } from '../types.ts'
import { diagnose } from './diagnosis.ts'
import { speaksHttp2 } from './speaks-http2.ts'
import { lastLines } from './tail.ts'

export interface Readiness {
  /** Host of the request; the app's first domain. */
  readonly host: string
  readonly deadlineMs: number
  readonly signal: AbortSignal
  readonly warn: (text: string) => void
}

/** A container did not become ready: carries its last lines, the cause and the way out. */
export class NotReady extends UserError {
  readonly lines: readonly string[]

  constructor(lines: readonly string[], cause: string, hint: string | undefined) {
    super('not-ready', cause, hint)
    this.lines = lines
  }
}

/** How long a process that answers no HTTP must stay up, milliseconds. */
const settledMs = 2_000

/**
 * Waits until the container is ready, judged from outside. A web process is ready when `GET /` gets any HTTP response head; one
 * that answers something else, or closes, when it speaks HTTP/2, or is still up 2 s after it first accepted. A silent one is waited for: gunicorn
 * accepts while it still imports. Others are ready after 2 s up. Throws NotReady, or Cancelled.
 */
export async function ready(container: Container, readiness: Readiness, engine: Engine): Promise<void> {
  const began = Date.now()
  const waited = () => Date.now() - began
  const judge =
    container.process === 'web'
      ? webJudge(container, readiness, { began, engine })
      : async () => waited() >= settledMs
  for (let pause = 10; ; pause = Math.min(pause * 1.5, 1_000)) {
    if (readiness.signal.aborted) throw new Cancelled()
    await stillUp(container, waited(), engine)
    const done = await whileUp(container, waited, judge, engine)
    if (done) return
    if (waited() >= readiness.deadlineMs)
      throw await notReady(container, { waitedMs: readiness.deadlineMs, accepted: false }, engine)
    await delay(pause, undefined, { signal: readiness.signal }).catch(() => undefined)
  }
}

/** Answers true once the web process is ready; warns where it is, but oddly so. */
function webJudge(
  container: Container,
  { host, deadlineMs, signal, warn }: Readiness,
  { began, engine }: { began: number; engine: Engine },
) {
  let accepted: number | undefined
  return async (ended: AbortSignal): Promise<boolean> => {
    const left = Math.max(deadlineMs - (Date.now() - began), 1)
    const probe = await knock(container, host, AbortSignal.any([signal, ended, AbortSignal.timeout(left)]))
    if (probe.kind === 'http') {
      if (probe.status >= 500) warn(`GET / answered ${probe.status}; the release goes live all the same.`)
      return true
    }
    if (probe.kind === 'silent' && !signal.aborted && !ended.aborted)
      throw await notReady(container, { waitedMs: deadlineMs, accepted: true }, engine)
    if (probe.kind !== 'other') return false
    if (await speaksHttp2(container)) return true
    accepted ??= Date.now()
    const settled = Date.now() - accepted >= settledMs
    if (settled) warn('The web process accepts connections but speaks no HTTP.')
    return settled
  }
}
/** Asks the judge, and meanwhile whether the container still runs: one that exits is not waited for. */
async function whileUp(
  container: Container,
  waited: () => number,
  judge: (ended: AbortSignal) => Promise<boolean>,
  engine: Engine,
): Promise<boolean> {
  const over = new AbortController()
  const watch = async (): Promise<never> => {
    for (;;) {
      await delay(250, undefined, { signal: over.signal })
      await stillUp(container, waited(), engine)
    }
  }
  try {
    return await Promise.race([judge(over.signal), watch()])
  } finally {
    over.abort()
  }
}

async function stillUp(container: Container, waitedMs: number, engine: Engine): Promise<void> {
  const info = await engine.inspect(container.name)
  if (info?.state === 'running') return
  throw await notReady(container, { waitedMs, accepted: false }, engine)
}

async function notReady(
  container: Container,
  { waitedMs, accepted }: { waitedMs: number; accepted: boolean },
  engine: Engine,
): Promise<NotReady> {
  const info = await engine.inspect(container.name)
  const lines = await lastLines(container.name, 25, engine)
  const { cause, hint } = diagnose({
    process: container.process,
    exitCode: info?.state === 'running' ? null : (info?.exitCode ?? 1),
    outOfMemory: info?.outOfMemory ?? false,
    port: container.port,
    waitedSeconds: Math.round(waitedMs / 1000),
    lines,
    accepted,
  })
  return new NotReady(lines, cause, hint)
}

type Probe =
  | { readonly kind: 'http'; readonly status: number }
  /** Connected, and got bytes that are not HTTP, or an end without an answer. */
  | { readonly kind: 'other' }
  /** Connected, and no answer within the time. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'closed' }

/** One `GET /` on a connection of its own, waited for until the signal. */
function knock(container: Container, host: string, signal: AbortSignal): Promise<Probe> {
  return new Promise(resolve => {
    let connected = false
    const headers = { host, 'user-agent': 'Davit', accept: '*/*', connection: 'close' }
    const asked = request({
      host: container.address,
      port: container.port,
      path: '/',
      headers,
      signal,
      agent: false,
    })
    asked.on('socket', socket => socket.once('connect', () => (connected = true)))
    asked.on('response', response => {
      resolve({ kind: 'http', status: response.statusCode ?? 0 })
      asked.destroy()
    })
    asked.on('error', ({ code }: NodeJS.ErrnoException) => {
      // A reset, unlike a refusal, comes from a connection that was there.
      const accepted = connected || code === 'ECONNRESET'
      resolve({ kind: !accepted ? 'closed' : signal.aborted ? 'silent' : 'other' })
    })
    asked.end()
  })
}
