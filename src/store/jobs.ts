import type { Ground } from './ground.ts'

/** When jobs are due, and how their runs went. A job is known by its plugin's name and its own. */
export interface JobRecords {
  /** When it was due next, as last written down for this schedule. */
  due(job: JobName, schedule: string): Date | undefined
  setDue(job: JobName, due: { schedule: string; at: Date | undefined }): void
  /** Answers the run's id. */
  begin(job: JobName): number
  end(id: number, result: { outcome: 'succeeded' | 'failed'; reason?: string }): void
  /** A run that did not come about: at its time Davit was not there, or another run was under way. */
  passed(job: JobName, run: { outcome: 'missed' | 'skipped'; at: Date }): void
  /** Newest first. */
  runs(job: JobName, options: { limit: number }): readonly JobRun[]
  /** At the daemon's start: what had begun has failed. */
  cutOff(): void
  /** All that is known of a plugin's jobs. */
  purge(plugin: string): void
}

export interface JobName {
  readonly plugin: string
  readonly name: string
}

export interface JobRun {
  readonly outcome: 'running' | 'succeeded' | 'failed' | 'missed' | 'skipped'
  readonly at: Date
  readonly endedAt: Date | undefined
  /** Why it failed. */
  readonly reason: string | undefined
}

interface Row {
  outcome: JobRun['outcome']
  at: number
  ended_at: number | null
  reason: string | null
}

/** Runs of a job that are kept. */
const kept = 50

export function openJobs({ prepare, transaction, now }: Ground): JobRecords {
  const due = prepare<[string, string, string], { due_at: number | null }>(
    'SELECT due_at FROM jobs WHERE plugin = ? AND name = ? AND schedule = ?',
  )
  const setDue = prepare<[{ plugin: string; name: string; schedule: string; at: number | null }]>(
    `INSERT INTO jobs (plugin, name, schedule, due_at) VALUES (@plugin, @name, @schedule, @at)
     ON CONFLICT (plugin, name) DO UPDATE SET schedule = excluded.schedule, due_at = excluded.due_at`,
  )
  const add = prepare<[{ plugin: string; name: string; outcome: string; at: number }], { id: number }>(
    `INSERT INTO job_runs (plugin, name, outcome, at) VALUES (@plugin, @name, @outcome, @at) RETURNING id`,
  )
  const end = prepare<[{ id: number; outcome: string; at: number; reason: string | null }]>(
    'UPDATE job_runs SET outcome = @outcome, ended_at = @at, reason = @reason WHERE id = @id',
  )
  const prune = prepare<[{ plugin: string; name: string; kept: number }]>(
    `DELETE FROM job_runs WHERE plugin = @plugin AND name = @name AND id <= (
       SELECT id FROM job_runs WHERE plugin = @plugin AND name = @name ORDER BY id DESC LIMIT 1 OFFSET @kept
     )`,
  )
  const list = prepare<[string, string, number], Row>(
    'SELECT outcome, at, ended_at, reason FROM job_runs WHERE plugin = ? AND name = ? ORDER BY id DESC LIMIT ?',
  )
  const cutOff = prepare<[number]>(
    `UPDATE job_runs SET outcome = 'failed', ended_at = ?, reason = 'Davit was stopped before it ended.'
     WHERE outcome = 'running'`,
  )
  const purges = ['jobs', 'job_runs'].map(each => prepare<[string]>(`DELETE FROM ${each} WHERE plugin = ?`))
  const note = ({ plugin, name }: JobName, outcome: string, at: Date) =>
    transaction(() => {
      const { id } = add.get({ plugin, name, outcome, at: at.getTime() })!
      prune.run({ plugin, name, kept })
      return id
    })

  return {
    due({ plugin, name }, schedule) {
      const at = due.get(plugin, name, schedule)?.due_at ?? undefined
      return at === undefined ? undefined : new Date(at)
    },
    setDue: ({ plugin, name }, { schedule, at }) =>
      void setDue.run({ plugin, name, schedule, at: at?.getTime() ?? null }),
    begin: job => note(job, 'running', now()),
    end: (id, { outcome, reason }) =>
      void end.run({ id, outcome, at: now().getTime(), reason: reason ?? null }),
    passed: (job, { outcome, at }) => void note(job, outcome, at),
    runs: ({ plugin, name }, { limit }) =>
      list.all(plugin, name, limit).map(({ outcome, at, ended_at, reason }) => ({
        outcome,
        at: new Date(at),
        endedAt: ended_at === null ? undefined : new Date(ended_at),
        reason: reason ?? undefined,
      })),
    cutOff: () => void cutOff.run(now().getTime()),
    purge: plugin =>
      transaction(() => {
        for (const each of purges) each.run(plugin)
      }),
  }
}
