import { Cancelled, UserError } from '../errors.ts'
import { asChange, changeAround } from '../plugin/trail.ts'
import type { AppName, Call } from '../types.ts'

/** One at a time of each name; a second one waits and says for whom. Different names go side by side. */
export interface Turns<Name extends string> {
  /** `what` is said to those who wait: "ann's push". Throws Cancelled when the call ends while it waits. */
  exclusive<T>(name: Name, what: string, call: Call, work: () => Promise<T>): Promise<T>
  /** Whether one of the name is under way. */
  busy(name: Name): boolean
  /** Settles when nothing is under way. */
  idle(): Promise<void>
}

/**
 * Changes of apps. UserError `inside-change` where a plugin's handler that takes part in a change asks for another one: it might wait for
 * itself.
 */
export type Queue = Turns<AppName>

export function createQueue(): Queue {
  const turns = createTurns<AppName>()
  return {
    ...turns,
    async exclusive(app, what, call, work) {
      refuseInside(what)
      return turns.exclusive(app, what, call, () => asChange(app, work))
    },
  }
}

export function createTurns<Name extends string>(): Turns<Name> {
  const tails = new Map<Name, { what: string; done: Promise<void> }>()
  return {
    async exclusive(name, what, call, work) {
      const before = tails.get(name)
      const mine = Promise.withResolvers<void>()
      const done = Promise.all([before?.done, mine.promise]).then(() => undefined)
      const entry = { what, done }
      tails.set(name, entry)
      void done.then(() => tails.get(name) === entry && tails.delete(name))
      try {
        if (before) {
          call.out.detail(`Waiting for ${before.what} to end`)
          await orCancelled(before.done, call.signal)
        }
        return await work()
      } finally {
        mine.resolve()
      }
    },
    busy: name => tails.has(name),
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
