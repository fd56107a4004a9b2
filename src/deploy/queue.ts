import { Cancelled, UserError } from '../errors.ts'
import { asChange, changeAround } from '../plugin/trail.ts'
import type { AppName, Call } from '../types.ts'

/** One change per app at a time; a second one waits and says for whom. Different apps go side by side. */
export interface Queue {
  /**
   * `what` is said to those who wait: "ann's push". Throws Cancelled when the call ends while it waits, and UserError `inside-change` where
   * a plugin's handler that takes part in a change asks for another one: it might wait for itself.
   */
  exclusive<T>(app: AppName, what: string, call: Call, work: () => Promise<T>): Promise<T>
  /** Whether a change of the app is under way. */
  busy(app: AppName): boolean
  /** Settles when nothing is under way. */
  idle(): Promise<void>
}

export function createQueue(): Queue {
  const tails = new Map<AppName, { what: string; done: Promise<void> }>()
  return {
    async exclusive(app, what, call, work) {
      refuseInside(what)
      const before = tails.get(app)
      const mine = Promise.withResolvers<void>()
      const done = Promise.all([before?.done, mine.promise]).then(() => undefined)
      const entry = { what, done }
      tails.set(app, entry)
      void done.then(() => tails.get(app) === entry && tails.delete(app))
      try {
        if (before) {
          call.out.detail(`Waiting for ${before.what} to end`)
          await orCancelled(before.done, call.signal)
        }
        return await asChange(app, work)
      } finally {
        mine.resolve()
      }
    },
    busy: app => tails.has(app),
    async idle() {
      await Promise.all([...tails.values()].map(each => each.done))
    },
  }
}

function refuseInside(what: string): void {
  const around = changeAround()
  if (!around) return
  const { plugin, at, app } = around
  throw new UserError(
    'inside-change',
    `${plugin} asks for ${what} from its ${at}, while ${app} is being changed.`,
    'A plugin asks for it when the change is over: core.redeploy from a command, a job or afterConfig.',
  )
}

/** The promise, or Cancelled as soon as the signal aborts; the promise itself goes on. */
export async function orCancelled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new Cancelled()
  const cancelled = Promise.withResolvers<never>()
  const onAbort = () => cancelled.reject(new Cancelled())
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, cancelled.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
