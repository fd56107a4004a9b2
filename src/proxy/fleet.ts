import { type ChildProcess, fork, type SendHandle } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { keep } from '../keep.ts'
import type { Handle } from '../listen.ts'
import type { Logger } from '../log.ts'
import { plainEnv } from '../settings.ts'
import { compiledEnv } from './compiled.ts'
import type { HeldPorts } from './heldports.ts'
import type { Ledger } from './ledger.ts'
import type { Limits } from './limits.ts'
import type { Order, SentPort, WorkerSays } from './orders.ts'
import type { HeldSockets } from './sockets.ts'

export interface Fleet {
  /** Resolves when the first worker takes requests. */
  readonly ready: Promise<void>
  /** When all have started, and wait for `begin`. */
  readonly awake: Promise<void>
  /** When all take requests. */
  readonly whole: Promise<void>
  /** Tells every worker; answers what they said. One that does not answer in time is replaced, and counts as having done it. */
  ask(order: Order, options?: { withinMs: number }): Promise<unknown[]>
  /** A port that workers have asked for in vain is there. */
  offer(port: number, handle: Handle): void
  /** How many serve. */
  size(): number
  stop(): Promise<void>
  /** Takes no more connections, one worker after the other, and lets clients find their way to others. */
  retire(): Promise<void>
}

export interface FleetOptions {
  readonly workers: number
  /** Nobody serves before this. */
  readonly begin: Promise<void>
  readonly sockets: HeldSockets
  readonly ports: Pick<HeldPorts, 'take'>
  readonly limits: Limits
  /** What is in force now, for a worker that begins. */
  readonly state: () => Omit<Order & { verb: 'start' }, 'verb' | 'http' | 'https' | 'limits'>
  /** What comes of it is kept there. */
  readonly ledger: Pick<Ledger, 'logs' | 'hear' | 'lose'>
  readonly log: Logger
}

/** Long enough for a healthy worker on a machine that has too much to do: whoever is killed takes its requests along. */
export const answerMs = 3_000
const startMs = 15_000
/** So that not all clients come anew at once. */
const betweenMs = 250

/** Workers on the same inherited sockets, each kept running. */
export function openFleet(options: FleetOptions): Fleet {
  const { workers, begin, sockets, ports, limits, state, ledger, log } = options
  const members = new Set<Member>()
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
  const awake = countdown(workers)
  const whole = countdown(workers)

  const { http, https } = sockets
  const fds = https ? [http.fd, https.fd] : [http.fd]

  function start(): ChildProcess {
    const child = fork(join(import.meta.dirname, 'worker.ts'), [ledger.logs], {
      stdio: ['ignore', 'inherit', 'inherit', ...fds, 'ipc'],
      env: { ...plainEnv(), ...compiledEnv() },
      // http-proxy still uses util._extend. Heads may be as long from upstreams as from clients.
      execArgv: ['--disable-warning=DEP0060', '--max-http-header-size=32768'],
    })
    const member = memberOf(child, log)
    child.on('message', async (words: WorkerSays) => {
      if (words !== 'awake') {
        if ('report' in words) ledger.hear(child.pid!, words.report)
        else if ('needs' in words) member.hand(words.needs, ports.take(words.needs))
        else member.hear(words)
        return
      }
      awake.one()
      await begin
      members.add(member)
      await member.ask({ verb: 'start', http: 3, https: https && 4, ...state(), limits }, startMs)
      isReady()
      whole.one()
    })
    child.once('exit', () => {
      members.delete(member)
      ledger.lose(child.pid!)
    })
    return child
  }

  const ask: Fleet['ask'] = async (order, { withinMs } = { withinMs: answerMs }) => {
    const answers = await Promise.all([...members].map(member => member.ask(order, withinMs)))
    return answers.filter(answer => answer !== gone)
  }
  const patience = { firstMs: 100, longestMs: 2_000, steadyMs: 30_000, log }
  const kept = Array.from({ length: workers }, (_, at) => keep(`worker ${at + 1}`, start, patience))
  return {
    ready,
    awake: awake.done,
    whole: whole.done,
    ask,
    offer: (port, handle) => {
      for (const member of members) member.hand(port, handle)
    },
    size: () => members.size,
    stop: async () => {
      await Promise.all(kept.map(worker => worker.stop({ graceMs: limits.stopMs + 2000 })))
    },
    retire: async () => {
      await ask({ verb: 'retire' })
      const ended: Promise<void>[] = []
      for (const worker of kept) {
        ended.push(worker.stop({ graceMs: limits.retireMs + 5_000 }))
        await pause(betweenMs)
      }
      await Promise.all(ended)
    },
  }
}

function countdown(count: number): { one(): void; readonly done: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  return { one: () => void (--left <= 0 && resolve()), done: promise }
}

interface Member {
  ask(order: Order, withinMs: number): Promise<unknown>
  hear(words: { id: number; value: unknown }): void
  /** A port's socket. */
  hand(port: number, handle: Handle | undefined): void
}

const gone = Symbol('gone')

/** Orders and answers by id. A worker that is dead or has just been killed for its silence answers `gone`. */
function memberOf(child: ChildProcess, log: Logger): Member {
  const pending = new Map<number, (value: unknown) => void>()
  let last = 0
  child.on('error', error => log.error({ err: error }, `worker ${child.pid}`))
  child.once('exit', () => {
    for (const settle of pending.values()) settle(gone)
  })
  return {
    hear: ({ id, value }) => pending.get(id)?.(value),
    hand: (port, handle) =>
      void child.send({ port } satisfies SentPort, handle as unknown as SendHandle | undefined, () => {}),
    ask: (order, withinMs) =>
      new Promise(resolve => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve(gone)
        const id = ++last
        const timer = setTimeout(() => {
          log.error(`worker ${child.pid} did not answer ${order.verb}; it is replaced`)
          child.kill('SIGKILL')
        }, withinMs)
        pending.set(id, value => {
          clearTimeout(timer)
          pending.delete(id)
          resolve(value)
        })
        child.send({ id, order }, () => {})
      }),
  }
}
