import { setTimeout as pause } from 'node:timers/promises'

import { HookError, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Context, Job, Plugin } from './define.ts'
import { type Member, stopped } from './driver.ts'
import { type HookName, hookNames } from './hooks.ts'
import type { Mount } from './mount.ts'
import { asPlugin } from './trail.ts'

/** One plugin's time on duty, from its start to its stop. */
export interface Shift {
  /** Takes part with a signal of its own, which aborts when its time ends. */
  readonly member: Member
  /** Throws what the plugin's `start` throws, and when that takes too long. */
  start(): Promise<void>
  /** At once: what waits for it is given up. */
  end(reason: unknown): void
  /** Once nobody waits for it any more, or after a while. It must be nobody's any more by then. Settles when it has stopped. */
  retire(log: Logger): Promise<void>
  /** Now, in its turn: the daemon ends. */
  stop(log: Logger): Promise<void>
}

const startMs = 30_000
const stopMs = 10_000
const patienceMs = 60_000

/** `folder` is where the plugin's files lie. */
export function openShift(plugin: Plugin, context: Context, folder: string): Shift {
  const ended = new AbortController()
  const underWay = new Set<Promise<unknown>>()
  const own: Context = { ...context, signal: AbortSignal.any([context.signal, ended.signal]) }
  const member: Member = { plugin: counted(plugin, folder, underWay), context: own, folder }

  const stop = async (log: Logger) => {
    try {
      await inTime(plugin.name, 'stop', stopMs, () => plugin.stop?.(own))
    } catch (err) {
      log.error({ err, plugin: plugin.name }, 'a plugin did not stop in order')
    }
    ended.abort()
  }
  const quiet = async () => {
    while (underWay.size > 0) await Promise.allSettled([...underWay])
  }

  return {
    member,
    start: async () => {
      await inTime(plugin.name, 'start', startMs, () => plugin.start?.(own))
    },
    end: reason => ended.abort(reason),
    retire(log) {
      return Promise.race([quiet(), pause(patienceMs, undefined, { ref: false })]).then(() => stop(log))
    },
    stop,
  }
}

async function inTime(name: string, at: string, ms: number, work: () => unknown): Promise<void> {
  const late = new AbortController()
  const tooLate = async () => {
    await pause(ms, undefined, { ref: false, signal: late.signal }).catch(() => undefined)
    throw new Error(`it took longer than ${ms / 1000} s`)
  }
  try {
    await Promise.race([asPlugin(name, at, async () => work()), tooLate()])
  } finally {
    late.abort()
  }
}

/** The plugin with a note of each call that has not settled yet; what it does in a command or a job is its own. */
function counted(plugin: Plugin, folder: string, underWay: Set<Promise<unknown>>): Plugin {
  const noted =
    (work: (...args: never[]) => unknown) =>
    (...args: never[]): unknown => {
      const answer = work(...args)
      if (answer instanceof Promise) {
        underWay.add(answer)
        const done = () => underWay.delete(answer)
        answer.then(done, done)
      }
      return answer
    }
  const hooks = hookNames.flatMap(name => {
    const hook = plugin.hooks?.[name] as { handle: () => unknown } | (() => unknown) | undefined
    if (!hook) return []
    return [[name, typeof hook === 'function' ? noted(hook) : { ...hook, handle: noted(hook.handle) }]]
  })
  return {
    ...plugin,
    hooks: Object.fromEntries(hooks) as Plugin['hooks'] & Record<HookName, never>,
    commands: (plugin.commands ?? []).map(command => ({
      ...command,
      run: noted((values, context) =>
        asPlugin(plugin.name, command.name, async () => command.run(values, context)).catch(
          (error: unknown) => {
            // A bug of the plugin is told with its name, as in its hooks.
            const isPlain = error instanceof UserError || error instanceof HookError
            throw isPlain ? error : stopped({ plugin, folder }, command.name, error)
          },
        ),
      ) as typeof command.run,
    })),
    ...countedElsewhere(plugin, noted),
  }
}

type Noted = (work: (...args: never[]) => unknown) => (...args: never[]) => unknown

/** Answers of mounts, and runs by the clock. */
function countedElsewhere({ mounts, jobs }: Plugin, noted: Noted): Pick<Plugin, 'mounts' | 'jobs'> {
  const run = (list: readonly Job[]) =>
    list.map(job => ({ ...job, run: noted(context => job.run(context)) as Job['run'] }))
  const answer = (mount: Mount): Mount =>
    'handle' in mount
      ? {
          ...mount,
          handle: noted((request, context) => mount.handle(request, context)) as typeof mount.handle,
        }
      : mount
  return {
    ...(mounts ? { mounts: mounts.map(answer) } : {}),
    ...(jobs ? { jobs: typeof jobs === 'function' ? context => run(jobs(context)) : run(jobs) } : {}),
  }
}
