import { UserError } from '../errors.ts'
import { choice, one, option } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import type { JobInfo } from '../plugin/core.ts'
import type { JobRun } from '../plugin/terms.ts'
import { tableOf } from './table.ts'

export const about = 'See what is done by the clock, and do it now'

const format = option('format', choice('stdout', 'json'), { about: 'stdout or json' })
const job = one('JOB', 'As jobs:list has it: PLUGIN:NAME', word => {
  const [, plugin, name] = /^([^:]+):(.+)$/.exec(word) ?? []
  if (plugin && name) return { plugin, name }
  throw new UserError('job-missing', `There is no job ${word}.`, 'See what there is: jobs:list')
})

export const commands = [
  defineCommand({
    name: 'jobs:list',
    about: 'List what is done by the clock, when next, and how it went last',
    reads: true,
    args: { format },
    run({ format }, { core, out }) {
      const jobs = core.jobs.list()
      if (format === 'json') return out(JSON.stringify(jobs.map(toJson)))
      const rows = jobs.map(each => [
        idOf(each),
        each.schedule,
        each.next ? timeOf(each.next) : '-',
        each.runs[0] ? `${timeOf(each.runs[0].at)} ${each.runs[0].outcome}` : '-',
        each.about,
      ])
      for (const line of tableOf([['JOB', 'SCHEDULE', 'NEXT', 'LAST', 'ABOUT'], ...rows])) out(line)
    },
  }),

  defineCommand({
    name: 'jobs:info',
    about: 'Show the runs of a job, newest first',
    reads: true,
    args: { job, format },
    run({ job, format }, { core, out }) {
      const found = core.jobs.list().find(each => each.plugin === job.plugin && each.name === job.name)
      if (!found)
        throw new UserError('job-missing', `There is no job ${idOf(job)}.`, 'See what there is: jobs:list')
      if (format === 'json') return out(JSON.stringify(toJson(found)))
      if (found.runs.length === 0) return out.warn(`${idOf(job)} has not run yet`)
      const rows = found.runs.map(each => [timeOf(each.at), each.outcome, secondsOf(each), each.reason ?? ''])
      for (const line of tableOf([['AT', 'OUTCOME', 'SECONDS', 'REASON'], ...rows])) out(line)
    },
  }),

  defineCommand({
    name: 'jobs:run',
    about: 'Run a job now, and see what it says',
    args: { job },
    async run({ job }, { core, out, by, signal }) {
      out.step(`Running ${idOf(job)}`)
      await core.jobs.run(job.plugin, job.name, { by, out, signal })
      out.step('Done')
    },
  }),
]

function idOf({ plugin, name }: Pick<JobInfo, 'plugin' | 'name'>): string {
  return `${plugin}:${name}`
}

function toJson({ next, runs, ...job }: JobInfo) {
  return { ...job, job: idOf(job), next: next?.toISOString() ?? null, runs: runs.map(runToJson) }
}

function runToJson({ at, endedAt, outcome, reason }: JobRun) {
  return { outcome, at: at.toISOString(), endedAt: endedAt?.toISOString() ?? null, reason: reason ?? null }
}

function timeOf(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ')
}

function secondsOf({ at, endedAt }: JobRun): string {
  return endedAt ? ((endedAt.getTime() - at.getTime()) / 1000).toFixed(1) : ''
}
