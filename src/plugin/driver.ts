import { Cancelled, HookError, messageOf } from '../errors.ts'
import type { Call } from '../types.ts'
import type { Context, Plugin } from './define.ts'
import { type Handler, type Hook, type HookName, type Hooks, hookNames, type KindOf } from './hooks.ts'

/** A plugin that takes part, with the context it was given at load. */
export interface Member {
  readonly plugin: Plugin
  readonly context: Context
}

type Caller<N extends HookName> = (...args: [...Parameters<Hooks[N]>, Call]) => Promise<
  {
    before: void
    after: void
    shape: ReturnType<Hooks[N]>
    find: ReturnType<Hooks[N]> | undefined
  }[KindOf<N>]
>

export type Driver = { readonly [N in HookName]: Caller<N> }

const defaultTimeoutMs = { before: 60_000, shape: 60_000, find: 60_000, after: 10_000 }

type Kind = keyof typeof defaultTimeoutMs

interface Listener {
  readonly member: Member
  readonly hook: HookName
  readonly rank: number
  readonly timeoutMs: number
  readonly handle: (...args: unknown[]) => unknown
}

/**
 * Runs every hook by its kind. `members` is asked at each call, so that plugins may come and go; they stand in the order
 * of their needs. A before, shape or find handler that throws or times out stops the operation with a HookError; an after
 * handler's is reported on the plugin's log and to the person, and changes nothing.
 */
export function createDriver(members: () => readonly Member[]): Driver {
  const callers = hookNames.map(name => {
    const kind = kindOf(name)
    const caller = (...args: unknown[]) => {
      const call = args.pop() as Call
      return runners[kind](listeners(members(), name), args, call)
    }
    return [name, caller] as const
  })
  return Object.fromEntries(callers) as unknown as Driver
}

function kindOf(name: HookName): Kind {
  return /^(before|shape|find|after)/.exec(name)![0] as Kind
}

function listeners(members: readonly Member[], hook: HookName): Listener[] {
  const found = members.flatMap(member => {
    const given = member.plugin.hooks?.[hook] as Hook<HookName> | undefined
    return given ? [listener(member, hook, given)] : []
  })
  return found.sort((a, b) => a.rank - b.rank)
}

function listener(member: Member, hook: HookName, given: Hook<HookName>): Listener {
  const whole = typeof given === 'function' ? { handle: given } : given
  return {
    member,
    hook,
    rank: { early: -1, normal: 0, late: 1 }[whole.order ?? 'normal'],
    timeoutMs: whole.timeoutMs ?? defaultTimeoutMs[kindOf(hook)],
    handle: whole.handle as Handler<HookName> as (...args: unknown[]) => unknown,
  }
}

const runners: Record<
  Kind,
  (listeners: readonly Listener[], args: unknown[], call: Call) => Promise<unknown>
> = {
  async before(listeners, args, call) {
    for (const each of listeners) await ask(each, args, call)
  },

  async shape(listeners, [value, ...event], call) {
    let shaped = value
    for (const each of listeners) shaped = (await ask(each, [shaped, ...event], call)) ?? shaped
    return shaped
  },

  async find(listeners, args, call) {
    for (const each of listeners) {
      const answer = await ask(each, args, call)
      if (answer !== undefined) return answer
    }
    return undefined
  },

  async after(listeners, args, call) {
    const results = await Promise.allSettled(listeners.map(each => ask(each, args, call)))
    for (const [at, result] of results.entries()) {
      if (result.status === 'fulfilled') continue
      listeners[at]!.member.context.log.error(
        { err: result.reason, hook: listeners[at]!.hook },
        'a handler failed',
      )
      call.out.warn(messageOf(result.reason))
    }
  },
}

/** One handler, bounded: ends with its answer, its error, its timeout or the caller's cancel, whichever is first. */
async function ask(
  { member, hook, timeoutMs, handle }: Listener,
  args: unknown[],
  call: Call,
): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([call.signal, member.context.signal, timeout])
  const ended = Promise.withResolvers<never>()
  const end = () =>
    ended.reject(timeout.aborted ? new Error(`did not answer within ${timeoutMs / 1000} s`) : new Cancelled())
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([ended.promise, handle(...args, { ...member.context, out: call.out, signal })])
  } catch (error) {
    throw error instanceof Cancelled ? error : new HookError(member.plugin.name, hook, error)
  } finally {
    signal.removeEventListener('abort', end)
    ended.promise.catch(() => undefined)
  }
}
