import { schedule as cron, validateDetailed } from 'node-cron'

import { UserError } from '../errors.ts'

/** Something that is due by the clock, until it is stopped. */
export interface Due {
  /** Undefined: never again. */
  next(): Date | undefined
  stop(): void
}

/** Calls at these times: five fields of cron, in the host's time. Who is called sees to it that nothing is thrown. UserError `bad-schedule`. */
export function schedule(at: string, call: () => void): Due {
  readSchedule(at)
  const task = cron(at, call, { unref: true, suppressMissedWarning: true })
  return { next: () => task.getNextRun() ?? undefined, stop: () => void task.destroy() }
}

/** UserError `bad-schedule`. */
export function readSchedule(at: string): string {
  const { valid, errors } = validateDetailed(at)
  if (valid && at.trim().split(/\s+/).length === 5) return at
  const why = errors[0]?.message ?? 'it has not five fields'
  throw new UserError(
    'bad-schedule',
    `${JSON.stringify(at)} is no schedule: ${why}.`,
    'It has five fields: minute, hour, day of the month, month, day of the week.',
  )
}
