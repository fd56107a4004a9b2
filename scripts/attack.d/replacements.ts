import http from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface Fates {
  readonly answered: number
  /** Of them, on connections that had answered before. */
  readonly kept: number
  /** What became of the others, in words, and of how many. */
  readonly lost: ReadonlyMap<string, number>
  /** Lost too, but not by the proxy: this process was so busy that it asked long after it had connected. */
  readonly tardy: number
  readonly slowestMs: number
  /** Per second, as it came about. */
  readonly rate: number
}

const turnMs = 10

/** A connection that says nothing for so long may be let go by a worker that ends, which waits 2 s. */
const promptMs = 1_500

/** For what is under way when nothing more is asked; those that wait for a connection have no clock of their own. */
const patienceMs = 60_000

export interface Asking {
  readonly perSecond: number
  /** Every time on a new connection. */
  readonly fresh?: true
}

/** Asks for a page so often, one time on a new connection, the next on one of many that are kept. `end` waits for what is under way, a minute at most. */
export function askAllTheTime(port: number, { perSecond, fresh: always }: Asking) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64, scheduling: 'fifo' })
  const lost = new Map<string, number>()
  const asking = new Set<Promise<void>>()
  const seen = new WeakSet<Socket>()
  const began = performance.now()
  const counts = { answered: 0, kept: 0, asked: 0, tardy: 0, slowestMs: 0 }

  const one = async (fresh: boolean) => {
    const since = performance.now()
    const fate = await ask(port, fresh ? undefined : agent, seen)
    if (fate.why !== undefined && fate.tardy) return void counts.tardy++
    if (fate.why !== undefined) return void lost.set(fate.why, (lost.get(fate.why) ?? 0) + 1)
    counts.answered++
    if (fate.reused) counts.kept++
    counts.slowestMs = Math.max(counts.slowestMs, Math.round(performance.now() - since))
  }
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * perSecond) / 1000
    while (counts.asked < due) {
      const asked = one(counts.asked++ % 2 === 0 || always === true)
      asking.add(asked)
      void asked.finally(() => asking.delete(asked))
    }
  }, turnMs)

  return {
    answered: () => counts.answered,
    async end(): Promise<Fates> {
      clearInterval(timer)
      const rate = Math.round((counts.asked * 1000) / (performance.now() - began))
      await Promise.race([Promise.all(asking), pause(patienceMs, undefined, { ref: false })])
      if (asking.size > 0) lost.set('no answer', asking.size)
      agent.destroy()
      const { answered, kept, tardy, slowestMs } = counts
      return { answered, kept, lost, tardy, slowestMs, rate }
    },
  }
}

interface Fate {
  readonly reused: boolean
  readonly tardy: boolean
  readonly why?: string
}

function ask(port: number, agent: http.Agent | undefined, seen: WeakSet<Socket>): Promise<Fate> {
  return new Promise(resolve => {
    const req = http.get(
      { port, host: '127.0.0.1', headers: { host: 'shop.test' }, agent: agent ?? false, timeout: 30_000 },
      res => {
        res.resume()
        res.on('end', () => tell(res.statusCode === 200 ? undefined : `status ${res.statusCode}`))
        res.on('close', () => tell('half of an answer'))
      },
    )
    let reused = false
    let tardy = false
    const tell = (why: string | undefined) =>
      resolve({ reused, tardy, ...(why === undefined ? {} : { why }) })
    req.on('socket', socket => {
      reused = seen.has(socket)
      if (reused) return
      seen.add(socket)
      const since = performance.now()
      socket.once('connect', () => {
        tardy = performance.now() - since > promptMs
      })
    })
    req.on('timeout', () => req.destroy(Object.assign(new Error('late'), { code: 'late' })))
    req.on('error', (error: NodeJS.ErrnoException) => tell(error.code ?? error.message))
  })
}

export interface Replacing {
  readonly times: number
  /** Answers the process that serves from now on. */
  readonly upgrade: () => Promise<{ readonly pid: number }>
  readonly betweenMs: number
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export async function replaceAgainAndAgain({ times, upgrade, betweenMs, say, signal }: Replacing) {
  for (let n = 1; n <= times && !signal.aborted; n++) {
    const began = performance.now()
    const took = () => `${Math.round(performance.now() - began)} ms`
    await upgrade().then(
      ({ pid }) => say(`${String(n).padStart(4)} process ${pid} serves after ${took()}`),
      (error: Error) => say(`${String(n).padStart(4)} not replaced after ${took()}: ${error.message}`),
    )
    await pause(betweenMs, undefined, { signal }).catch(() => undefined)
  }
}
