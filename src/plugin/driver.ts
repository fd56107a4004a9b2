import { Cancelled, HookError, messageOf, UserError } from '../errors.ts'
import type { Call } from '../types.ts'
import { wrongIn } from './answers.ts'
import { explain } from './blame.ts'
import type { Context, Plugin } from './define.ts'
import {
  type Handler,
  type Hook,
  type HookContext,
  type HookName,
  type Hooks,
  hookNames,
  type KindOf,
} from './hooks.ts'
import { asPlugin } from './trail.ts'

/** A plugin that takes part, with the context it was given at load. */
export interface Member {
  readonly plugin: Plugin
  readonly context: Context
  /** Where its files lie, so that errors are told with their place; Davit's own jobs have none. */
  readonly folder?: string | undefined
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
  readonly failed: Failed
}

/** Told of each handler that threw or was late; not of what a person can put right. */
export type Failed = (plugin: string, failure: HookError) => void

/**
 * Runs every hook by its kind. `members` is asked at each call, so that plugins may come and go; they stand in the order
 * of their needs. A before, shape or find handler that throws or times out stops the operation with a HookError; an after
 * handler's is reported on the plugin's log and to the person, and changes nothing.
 */
export function createDriver(members: () => readonly Member[], failed: Failed = () => undefined): Driver {
  const callers = hookNames.map(name => {
    const run = runners[kindOf(name)]
    const listeners = openListeners(name, failed)
    const caller = (...args: unknown[]) => run(listeners(members()), args.slice(0, -1), args.at(-1) as Call)
    return [name, caller] as const
  })
  return Object.fromEntries(callers) as unknown as Driver
}

function kindOf(name: HookName): Kind {
  return /^(before|shape|find|after)/.exec(name)![0] as Kind
}

/** What a member listens with is worked out once: most calls are of hooks that most plugins do not listen to. */
function openListeners(hook: HookName, failed: Failed): (members: readonly Member[]) => readonly Listener[] {
  const known = new WeakMap<Member, readonly Listener[]>()
  const of = (member: Member) => {
    const found = known.get(member) ?? listenersOf(member, hook, failed)
    known.set(member, found)
    return found
  }
  return members => members.flatMap(of).sort((a, b) => a.rank - b.rank)
}

function listenersOf(member: Member, hook: HookName, failed: Failed): readonly Listener[] {
  const given = member.plugin.hooks?.[hook] as Hook<HookName> | undefined
  if (!given) return []
  const whole = typeof given === 'function' ? { handle: given } : given
  return [
    {
      member,
      hook,
      rank: { early: -1, normal: 0, late: 1 }[whole.order ?? 'normal'],
      timeoutMs: whole.timeoutMs ?? defaultTimeoutMs[kindOf(hook)],
      handle: whole.handle as Handler<HookName> as (...args: unknown[]) => unknown,
      failed,
    },
  ]
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
    // Who changes it in place in place of answering another is told so.
    for (const each of listeners)
      shaped = (await ask(each, [Object.freeze(shaped), ...event], call)) ?? shaped
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
async function ask(listener: Listener, args: unknown[], call: Call): Promise<unknown> {
  const { member, hook, handle, failed } = listener
  const callers = [call.signal, member.context.signal]
  if (callers.some(each => each.aborted)) throw new Cancelled()
  const stop = new AbortController()
  const context: HookContext = { ...member.context, out: call.out, signal: stop.signal }
  try {
    const answer = asPlugin(member.plugin.name, hook, () => handle(...args, context))
    // Most handlers answer at once, and need no clock.
    return sound(hook, isPromised(answer) ? await inTime(answer, { listener, callers, stop }) : answer)
  } catch (error) {
    if (error instanceof Cancelled) throw error
    const failure = stopped(member, hook, error)
    if (!(error instanceof UserError)) failed(member.plugin.name, failure)
    throw failure
  }
}

/** The answer, as the types would have it; its author may not have asked the compiler. */
function sound(hook: HookName, answer: unknown): unknown {
  const wrong = answer === undefined || answer === null ? undefined : wrongIn(hook, answer)
  if (wrong === undefined) return answer
  throw new Error(`its answer ${wrong}`)
}

/** What the plugin's code threw, in its name and with its place. */
export function stopped({ plugin, folder }: Omit<Member, 'context'>, at: string, error: unknown): HookError {
  return new HookError(plugin.name, at, error, { says: explain(error, folder) })
}

function isPromised(answer: unknown): answer is PromiseLike<unknown> {
  return typeof (answer as PromiseLike<unknown> | undefined)?.then === 'function'
}

interface Bounds {
  readonly listener: Listener
  readonly callers: readonly AbortSignal[]
  readonly stop: AbortController
}

async function inTime(
  answer: PromiseLike<unknown>,
  { listener: { timeoutMs }, callers, stop }: Bounds,
): Promise<unknown> {
  const ended = Promise.withResolvers<never>()
  const end = (reason: Error) => {
    stop.abort(reason)
    ended.reject(reason)
  }
  const leave = () => end(new Cancelled())
  const late = () => end(new Error(`did not answer within ${timeoutMs / 1000} s`))
  const timer = setTimeout(late, timeoutMs)
  for (const each of callers) each.addEventListener('abort', leave, { once: true })
  if (callers.some(each => each.aborted)) leave()
  try {
    return await Promise.race([ended.promise, answer])
  } finally {
    clearTimeout(timer)
    for (const each of callers) each.removeEventListener('abort', leave)
    ended.promise.catch(() => undefined)
  }
}
