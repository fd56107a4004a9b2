import type { Logger } from '../log.ts'

/** Work that nobody waits for, but the end of the daemon does. */
export interface Background {
  /** A failure is logged under the name; what was recorded as a step is tried again at the next start. */
  run(name: string, work: () => Promise<void>): void
  idle(): Promise<void>
}

export function createBackground(log: Logger): Background {
  const running = new Set<Promise<void>>()
  return {
    run(name, work) {
      const done = work()
        .catch((err: unknown) => log.error({ err, work: name }, 'background work failed'))
        .finally(() => running.delete(done))
      running.add(done)
    },
    async idle() {
      await Promise.all(running)
    },
  }
}
