import { ownCall, type Rooms } from '../core/rooms.ts'
import { HookError, messageOf, UserError } from '../errors.ts'
import { explain } from '../plugin/blame.ts'
import type { JobInfo } from '../plugin/core.ts'
import type { Job, Plugin } from '../plugin/define.ts'
import { type Member, stopped } from '../plugin/driver.ts'
import { asPlugin } from '../plugin/trail.ts'
import type { JobName } from '../store/jobs.ts'
import type { Call } from '../types.ts'
import { type Due, schedule } from './schedule.ts'

/** What is done by the clock, for whichever plugins are on. */
export interface Jobs {
  /** The clock runs from here on, for Davit's own jobs too. */
  begin(own: Member): void
  /** These plugins' jobs from now on, and no others'. */
  follow(members: readonly Member[]): void
  /** A plugin's jobs are others than before. */
  changed(plugin: string): void
  list(): readonly JobInfo[]
  /** Now, whatever the clock says. Throws what the job throws. UserErrors `job-missing`, `job-running`. */
  run(plugin: string, name: string, call: Call): Promise<void>
}

interface Planned {
  readonly job: Job
  readonly member: Member
  readonly due: Due
  readonly underWay: Set<number>
}

const usualLimitMs = 3_600_000

type Clockwork = Pick<Rooms, 'store' | 'log' | 'events' | 'operations' | 'signal' | 'last' | 'background'>

export function createJobs(rooms: Clockwork): Jobs {
  const { store, log, events } = rooms
  const planned = new Map<string, Planned>()
  let members: readonly Member[] = []
  let own: Member | undefined
  let count = 0
  store.jobs.cutOff()
  rooms.signal.addEventListener('abort', () => [...planned.keys()].forEach(unplan), { once: true })

  const plan = (member: Member, job: Job) => {
    const name = nameOf(member.plugin, job)
    const missed = store.jobs.due(name, job.schedule)
    const due = schedule(job.schedule, () => quietly(key(name)))
    planned.set(key(name), { member, job, due, underWay: new Set() })
    noteDue(name, job, due)
    if (missed === undefined || missed.getTime() > Date.now()) return
    store.jobs.passed(name, { outcome: 'missed', at: missed })
    if (job.catchesUp) return quietly(key(name))
    tell('missed', name, `${key(name)} was due at ${missed.toISOString()}, when Davit was not running.`)
  }

  const unplan = (id: string) => {
    planned.get(id)?.due.stop()
    planned.delete(id)
  }

  /** Those whose schedule has not changed go on as they are planned, with what they do now. */
  const planAll = (member: Member) => {
    const jobs = jobsOf(member)
    const names = new Set(jobs.map(job => key(nameOf(member.plugin, job))))
    for (const [id, each] of planned)
      if (each.member.plugin.name === member.plugin.name && !names.has(id)) unplan(id)
    for (const job of jobs) {
      const id = key(nameOf(member.plugin, job))
      const before = planned.get(id)
      if (before?.job.schedule === job.schedule) planned.set(id, { ...before, job, member })
      else {
        unplan(id)
        try {
          plan(member, job)
        } catch (error) {
          tell('failed', nameOf(member.plugin, job), `${id} cannot be planned: ${messageOf(error)}`)
        }
      }
    }
  }

  const jobsOf = (member: Member): readonly Job[] => {
    const { name, jobs = [] } = member.plugin
    if (typeof jobs !== 'function') return jobs
    try {
      return asPlugin(name, 'jobs', () => jobs(member.context))
    } catch (error) {
      tell(
        'failed',
        { plugin: name, name: 'jobs' },
        `${name} does not say what its jobs are: ${explain(error, member.folder)}`,
      )
      return []
    }
  }

  /** By the clock, where nobody would hear of it. */
  const quietly = (id: string) => {
    try {
      onTime(id)
    } catch (err) {
      log.error({ err, job: id }, 'a job could not be begun')
    }
  }

  const onTime = (id: string) => {
    const found = planned.get(id)
    if (!found) return
    const { member, job, due, underWay } = found
    const name = nameOf(member.plugin, job)
    noteDue(name, job, due)
    if (underWay.size > 0 && !job.overlaps)
      return store.jobs.passed(name, { outcome: 'skipped', at: new Date() })
    rooms.background.run(`job ${++count}`, () =>
      perform(found, ownCall(rooms)).catch((err: unknown) => {
        const reason = explain(err, member.folder)
        log.error({ err, job: id, reason }, 'a job failed')
        tell('failed', name, `${id} failed: ${reason}`, reason)
      }),
    )
  }

  const noteDue = (name: JobName, job: Job, due: Due) =>
    store.jobs.setDue(name, { schedule: job.schedule, at: due.next() })

  const perform = async ({ member, job, underWay }: Planned, call: Call): Promise<void> => {
    const { plugin, context, folder } = member
    const id = store.jobs.begin(nameOf(plugin, job))
    underWay.add(id)
    const limitMs = job.timeoutMs ?? usualLimitMs
    const stop = AbortSignal.any([call.signal, context.signal, AbortSignal.timeout(limitMs)])
    const own = { ...call, signal: stop }
    try {
      await orEnded(
        rooms.operations.during(own, async () =>
          asPlugin(plugin.name, `job ${job.name}`, () => job.run({ ...context, ...own })),
        ),
        stop,
        limitMs,
      )
      store.jobs.end(id, { outcome: 'succeeded' })
    } catch (error) {
      store.jobs.end(id, { outcome: 'failed', reason: explain(error, folder) })
      throw error
    } finally {
      underWay.delete(id)
    }
  }

  const tell = (what: 'failed' | 'missed', { plugin, name }: JobName, text: string, reason = '') =>
    events.tell({
      kind: `job-${what}`,
      level: what === 'failed' ? 'error' : 'warning',
      text,
      data: { job: `${plugin}:${name}`, ...(reason ? { reason } : {}) },
    })

  return {
    begin(given) {
      own = given
      for (const member of [own, ...members]) planAll(member)
    },
    follow(next) {
      const fresh = next.filter(each => !members.includes(each))
      members = next
      if (!own) return
      for (const [id, { member }] of planned)
        if (![own, ...next].some(each => each.plugin.name === member.plugin.name)) unplan(id)
      for (const member of fresh) planAll(member)
    },
    changed(plugin) {
      const member = members.find(each => each.plugin.name === plugin)
      if (own && member) planAll(member)
    },
    list: () =>
      [...planned.values()]
        .map(({ member: { plugin }, job, due, underWay }) => {
          const { name, about, schedule } = job
          const runs = store.jobs.runs(nameOf(plugin, job), { limit: 50 })
          return {
            plugin: plugin.name,
            name,
            about,
            schedule,
            next: due.next(),
            running: underWay.size > 0,
            runs,
          }
        })
        .sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    async run(plugin, name, call) {
      const found = planned.get(key({ plugin, name }))
      if (!found)
        throw new UserError(
          'job-missing',
          `There is no job ${plugin}:${name}.`,
          'See what there is: jobs:list',
        )
      if (found.underWay.size > 0 && !found.job.overlaps)
        throw new UserError('job-running', `${plugin}:${name} is under way.`, 'See how it went: jobs:list')
      const { member, job } = found
      await perform(found, call).catch((error: unknown) => {
        const isPlain = error instanceof UserError || error instanceof HookError
        throw isPlain || member.folder === undefined ? error : stopped(member, `job ${job.name}`, error)
      })
    },
  }
}

function nameOf(plugin: Plugin, job: Job): JobName {
  return { plugin: plugin.name, name: job.name }
}

function key({ plugin, name }: JobName): string {
  return `${plugin}:${name}`
}

/** A job that does not hear its signal is not waited for. */
async function orEnded(work: Promise<unknown>, stop: AbortSignal, limitMs: number): Promise<void> {
  const ended = Promise.withResolvers<never>()
  const end = () => {
    const late = (stop.reason as Error | undefined)?.name === 'TimeoutError'
    ended.reject(late ? new Error(`it took longer than ${limitMs / 1000} s`) : stop.reason)
  }
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    await Promise.race([work, ended.promise])
  } finally {
    stop.removeEventListener('abort', end)
    ended.promise.catch(() => undefined)
  }
}
