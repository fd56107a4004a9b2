import { Readable } from 'node:stream'

import {
  type App,
  type AppName,
  appName,
  type Call,
  type Context,
  choice,
  defineCommand,
  definePlugin,
  defineReport,
  defineSet,
  flag,
  type Job,
  messageOf,
  one,
  option,
  optional,
  type RunIo,
  type Topic,
  UserError,
} from 'davit/plugin'

import { lines } from './lines.ts'
import { readTasks, type Task } from './tasks.ts'

/** Kept for each pushed revision of an app, so that a rollback brings its tasks back. */
const keyOf = (app: App, revision: string) => `tasks/${app.id}/${revision}`

const id = one('CRON_ID', 'As cron:list has it', word => word)
const onOff = choice('true', 'false')

const topic: Topic = {
  name: 'cron',
  properties: [
    {
      key: 'maintenance',
      about: 'true: none of the tasks runs by the clock',
      where: 'both',
      fallback: 'false',
      read: onOff,
      changed: core => core.jobs.changed(),
    },
  ],
  instead: {
    mailto: 'Who is told of failures is set with: notify:add, notify:set',
    mailfrom: 'Who tells of failures is set with: notify:add',
  },
  facts: (app, _core, context) => ({ tasks: String(tasksOf(app, context).length) }),
}

export default definePlugin({
  name: 'cron',
  about: "Runs the tasks of an app's app.json by the clock",
  api: 1,
  commands: [
    defineCommand({
      name: 'cron:list',
      about: 'List the tasks of an app',
      reads: true,
      args: {
        app: appName(),
        format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
      },
      run({ app, format }, context) {
        const { core, out } = context
        core.apps.get(app)
        const tasks = tasksOf(app, context).map(task => ({
          ...task,
          app,
          suspended: isSuspended(app, task, context),
        }))
        if (format === 'json') return out(JSON.stringify(tasks))
        if (tasks.length === 0) return out.warn(`${app} has no cron tasks; app.json names them`)
        const rows = tasks.map(({ id, schedule, suspended, command }) => [
          id,
          schedule,
          String(suspended),
          command,
        ])
        for (const [id, schedule, suspended, command] of [
          ['ID', 'Schedule', 'Suspended', 'Command'],
          ...rows,
        ])
          out(`${id!.padEnd(10)}${schedule!.padEnd(20)}${suspended!.padEnd(11)}${command}`)
      },
    }),

    defineCommand({
      name: 'cron:run',
      about: 'Run a task now; its exit code comes back',
      args: {
        app: appName(),
        id,
        detach: flag('detach', { about: 'Do not wait; its output goes to the log' }),
      },
      async run({ app, id, detach }, context) {
        const { core, by, out, log, session, signal } = context
        const task = find(core.apps.get(app).name, id, context)
        if (!detach) {
          const { stdin, stdout, stderr, terminal } = session
          return perform({ app, task, io: { stdin, stdout, stderr, terminal, env: {}, signal } }, context)
        }
        out(`Running ${id} of ${app}`)
        const goesOn = {
          ...context,
          by,
          out: Object.assign(quiet, out),
          signal: new AbortController().signal,
        }
        runInLog(app, task, goesOn).catch((error: unknown) =>
          log.error({ app, task: id, reason: messageOf(error) }, 'a task failed'),
        )
      },
    }),

    ...(['suspend', 'resume'] as const).map(verb =>
      defineCommand({
        name: `cron:${verb}`,
        about: verb === 'suspend' ? 'Run a task by the clock no more' : 'Run it by the clock again',
        args: { app: appName(), id: optional(id) },
        run({ app, id }, context) {
          const { core, out } = context
          core.apps.get(app)
          const tasks = id === undefined ? tasksOf(app, context) : [find(app, id, context)]
          for (const task of tasks) {
            core.properties.set('cron', app, `suspended.${task.id}`, verb === 'suspend' ? 'true' : undefined)
            out.step(`${verb === 'suspend' ? 'Suspended' : 'Resumed'} ${task.id}: ${task.command}`)
          }
          core.jobs.changed()
        },
      }),
    ),

    defineSet(topic),
    defineReport(topic),
  ],

  jobs: context => context.core.apps.list().flatMap(({ name }) => jobsOf(name, context)),

  hooks: {
    async beforeBuild({ app, source }, { core, kv }) {
      const file = await source.read('app.json')
      const tasks = file === undefined ? [] : readTasks(file.toString('utf8'), core)
      if (tasks.length > 0) kv.set(keyOf(app, source.revision), tasks)
      else kv.remove(keyOf(app, source.revision))
    },
    afterRelease({ app }, { core, kv }) {
      forget(app, new Set(core.releases.list(app.name).map(each => each.revision)), { kv })
      core.jobs.changed()
    },
    afterRename: (_, { core }) => core.jobs.changed(),
    afterClone({ app, from }, { kv }) {
      for (const { key, value } of kv.list())
        if (key.startsWith(`tasks/${from.id}/`)) kv.set(key.replace(`/${from.id}/`, `/${app.id}/`), value)
    },
    afterDestroy({ app }, { core, kv }) {
      forget(app, new Set(), { kv })
      core.jobs.changed()
    },
  },
})

/** Of the release that is live. */
function tasksOf(app: AppName, { core, kv }: Pick<Context, 'core' | 'kv'>): readonly Task[] {
  const revision = core.releases.live(app)?.revision
  return (revision && kv.get<Task[]>(keyOf(core.apps.get(app), revision))) || []
}

function jobsOf(app: AppName, context: Context): readonly Job[] {
  if (context.core.properties.inForce('cron', app, 'maintenance', 'false') === 'true') return []
  return tasksOf(app, context)
    .filter(task => !isSuspended(app, task, context))
    .map(task => ({
      name: `${app}/${task.id}`,
      about: task.command,
      schedule: task.schedule,
      overlaps: task.overlaps,
      timeoutMs: 24 * 3_600_000,
      async run(own) {
        if (!own.core.processes.stopped(app)) await runInLog(app, task, own)
      },
    }))
}

async function runInLog(app: AppName, task: Task, context: Context & Call): Promise<void> {
  const { log, out, signal } = context
  const [stdout, stderr] = ['stdout', 'stderr'].map(stream =>
    lines(line => {
      log.info({ app, task: task.id, stream }, line)
      out(line)
    }),
  )
  const io = {
    stdin: Readable.from([]),
    stdout: stdout!,
    stderr: stderr!,
    terminal: undefined,
    env: {},
    signal,
  }
  const code = await perform({ app, task, io }, context)
  if (code !== 0) throw new Error(`${task.command} exited with ${code}`)
}

function perform(
  { app, task, io }: { app: AppName; task: Task; io: RunIo },
  { core, by, out, signal }: Context & Call,
): Promise<number> {
  return core.containers.runLine(app, task.command, io, { by, out, signal })
}

function isSuspended(app: AppName, { id }: Task, { core }: Pick<Context, 'core'>): boolean {
  return core.properties.get('cron', app, `suspended.${id}`) === 'true'
}

function find(app: AppName, id: string, context: Context): Task {
  const task = tasksOf(app, context).find(each => each.id === id)
  if (task) return task
  throw new UserError('no-task', `${app} has no cron task ${id}.`, `See what there is: cron:list ${app}`)
}

/** What no release of the app was made from. */
function forget(app: App, revisions: ReadonlySet<string | undefined>, { kv }: Pick<Context, 'kv'>): void {
  for (const { key } of kv.list()) {
    const [, of, revision] = key.split('/')
    if (of === String(app.id) && !revisions.has(revision)) kv.remove(key)
  }
}

/** Nobody is there any more. */
function quiet(): void {}
