import { schedule as cron } from 'node-cron'

import type { Logger } from '../log.ts'

export interface Job {
  readonly name: string
  /** Five fields of cron, in the host's time. */
  readonly at: string
  readonly run: () => Promise<unknown>
}

/** Runs the job by the clock until the signal, one run at a time; a failure is logged and the next run comes all the same. */
export function schedule(job: Job, { log, signal }: { log: Logger; signal: AbortSignal }): void {
  const task = cron(
    job.at,
    async () => {
      try {
        await job.run()
      } catch (err) {
        log.error({ err, job: job.name }, 'a job failed')
      }
    },
    { name: job.name, noOverlap: true, unref: true },
  )
  signal.addEventListener('abort', () => void task.destroy(), { once: true })
}
