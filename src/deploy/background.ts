import { AsyncLocalStorage } from 'node:async_hooks'

import type { Logger } from '../log.ts'

/** Work that nobody waits for, but the end of the daemon does. */
export interface Background {
  /**
   * One at a time per name: asked for again while it runs, it is left alone. A failure is logged under the name; what was recorded as a
   * step is tried again by the next reconcile.
   */
  run(name: string, work: () => Promise<unknown>): void
  idle(): Promise<void>
}

export function createBackground(log: Logger): Background {
  const running = new Map<string, Promise<unknown>>()
  // It is no part of what it was begun from.
  const outside = AsyncLocalStorage.snapshot()
  return {
    run(name, work) {
      if (running.has(name)) return
      const done = outside(work)
        .catch((err: unknown) => log.error({ err, work: name }, 'background work failed'))
        .finally(() => running.delete(name))
      running.set(name, done)
    },
    async idle() {
      await Promise.all(running.values())
    },
  }
}
