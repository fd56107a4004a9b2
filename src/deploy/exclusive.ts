import type { Rooms } from '../core/rooms.ts'
import { Cancelled, messageOf } from '../errors.ts'
import { asChange } from '../plugin/trail.ts'
import type { App, Call } from '../types.ts'
import type { NewAttempt } from './attempts.ts'
import { NotReady } from './checks.ts'
import { collectImages } from './image.ts'
import { refuseMoved } from './rename.ts'

export interface Change {
  readonly app: App
  readonly attempt: NewAttempt
  readonly call: Call
}

/** One change of the app at a time, kept as an attempt; what failed is told to the person, the log and the plugins. */
export async function exclusive<T>(
  { app, attempt, call }: Change,
  rooms: Rooms,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  return rooms.attempts.run(app, attempt, call, async (call, begin) => {
    try {
      return await rooms.queue.exclusive(
        app.name,
        `${call.by.person}'s ${attempt.what} (${app.name})`,
        call,
        () => {
          begin()
          refuseMoved(app, rooms)
          return work(call)
        },
      )
    } catch (error) {
      if (error instanceof NotReady) for (const line of error.lines) call.out.detail(line)
      rooms.log.info({ app: app.name, what: attempt.what, reason: messageOf(error) }, 'a change was undone')
      tell(error, { app, attempt, call }, rooms)
      await asChange(app.name, () =>
        rooms.hooks.afterFailure({ app, error }, { ...call, signal: rooms.last }),
      )
      throw error
    } finally {
      rooms.background.run(`images of ${app.name}`, () => collectImages(app.name, rooms))
    }
  })
}

function tell(error: unknown, { app, attempt, call }: Change, rooms: Rooms): void {
  const cancelled = error instanceof Cancelled
  const reason = messageOf(error)
  rooms.events.tell({
    kind: cancelled ? 'cancelled' : 'failed',
    level: cancelled ? 'info' : 'error',
    app: app.name,
    by: call.by.person,
    text: cancelled
      ? `${attempt.what} of ${app.name} was cancelled before it was live.`
      : `${attempt.what} of ${app.name} failed: ${reason}`,
    data: { why: attempt.what, ...(cancelled ? {} : { reason }) },
  })
}
