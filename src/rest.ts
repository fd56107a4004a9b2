import { Session } from 'node:inspector/promises'

/** `share`: of the time it may take, for whoever asks for something meanwhile waits for it. */
const usual = { everyMs: 2_000, worthBytes: 4 * 1024 * 1024, share: 0.001 }

/** Up to this part of the time a process may work and still be at rest. */
const restful = 0.02

/**
 * Gives memory back to the system when this process has come to rest. V8 collects when something new needs room, and nothing new comes:
 * a process would keep for days what its busiest minute took. Costs some 50 ms each time, and nothing while there is nothing to give back.
 */
export function giveBackAtRest({ everyMs, worthBytes, share } = usual): { stop(): void } {
  let last = performance.eventLoopUtilization()
  /** Undefined: it has not been at rest yet, and its start is the first that it gives back. */
  let least: number | undefined
  let notBefore = 0
  const look = async () => {
    const before = last
    last = performance.eventLoopUtilization()
    if (least !== undefined) least = Math.min(least, process.memoryUsage.rss())
    if (performance.now() < notBefore) return
    if (performance.eventLoopUtilization(last, before).utilization > restful) return
    if (least !== undefined && process.memoryUsage.rss() - least < worthBytes) return
    const began = performance.now()
    await collect()
    const ended = performance.now()
    notBefore = ended + (ended - began) / share
    least = process.memoryUsage.rss()
  }
  const timer = setInterval(() => void look(), everyMs).unref()
  return { stop: () => clearInterval(timer) }
}

/** What V8 does when a system tells it that memory is low. Its own `gc()` keeps the emptied pages for later. */
async function collect(): Promise<void> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.collectGarbage')
  session.disconnect()
}
