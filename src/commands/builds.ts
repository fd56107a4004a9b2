import { UserError } from '../errors.ts'
import { appName, choice, flag, one, option, optional, whole } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { defineReport, defineSet, type Topic } from '../plugin/property.ts'
import type { AppName, Attempt } from '../types.ts'
import { tableOf } from './table.ts'

export const about = 'Look at builds and deploys, and cancel one'

const id = one('ID', 'The number of a build, or current', word =>
  word === 'current' ? 'current' : whole(1, 1_000_000_000)(word),
)
const format = option('format', choice('stdout', 'json'), { about: 'stdout or json' })
const number = (least: number, most: number) => (value: string) => String(whole(least, most)(value))

const topic: Topic = {
  name: 'builds',
  properties: [
    {
      key: 'retention',
      about: 'How many builds of an app are kept',
      where: 'both',
      fallback: '20',
      read: number(1, 1000),
    },
    {
      key: 'cache',
      about: "Gigabytes that the engine's build cache may keep",
      where: 'global',
      fallback: '10',
      read: number(0, 100_000),
    },
    {
      key: 'parallel',
      about: 'Builds at once on the whole host',
      where: 'global',
      fallback: '2',
      read: number(1, 64),
    },
  ],
  facts(app, core) {
    const [last] = core.attempts.list(app)
    return { 'last-id': last ? String(last.id) : '', 'last-status': last?.status ?? '' }
  },
}

export const commands = [
  defineCommand({
    name: 'builds:list',
    about: 'List what was tried, newest first',
    reads: true,
    args: {
      app: appName(),
      status: option('status', choice('waiting', 'running', 'succeeded', 'failed', 'cancelled'), {
        about: 'Only these',
      }),
      kind: option('kind', choice('build', 'deploy'), { about: 'Only these' }),
      format,
    },
    run({ app, status, kind, format }, { core, out }) {
      core.apps.get(app)
      const attempts = core.attempts
        .list(app)
        .filter(each => (!status || each.status === status) && (!kind || each.kind === kind))
      if (format === 'json') return out(JSON.stringify(attempts.map(toJson)))
      if (attempts.length === 0) return out.warn(`${app} has no builds`)
      const rows = attempts.map(each => [
        String(each.id),
        each.kind,
        each.status,
        each.createdAt.toISOString().slice(0, 19).replace('T', ' '),
        lasted(each),
        each.by,
        each.what,
      ])
      for (const line of tableOf([['ID', 'KIND', 'STATUS', 'BEGUN', 'TOOK', 'BY', 'WHAT'], ...rows]))
        out(line)
    },
  }),

  defineCommand({
    name: 'builds:info',
    about: 'Show one build',
    reads: true,
    args: { app: appName(), id: optional(id), format },
    run({ app, id, format }, { core, out }) {
      const attempt = pick(core.apps.get(app).name, id ?? 'current', core.attempts)
      if (format === 'json') return out(JSON.stringify(toJson(attempt)))
      out.headline(`${app} build ${attempt.id}`)
      for (const [key, value] of Object.entries(toJson(attempt))) {
        if (value !== null) out(`       ${`${key}:`.padEnd(23)} ${value}`)
      }
    },
  }),

  defineCommand({
    name: 'builds:output',
    about: 'Print what a build said; the current one to its end',
    reads: true,
    args: { app: appName(), id: optional(id) },
    async run({ app, id }, { core, out, signal }) {
      const attempt = pick(core.apps.get(app).name, id ?? 'current', core.attempts)
      for await (const line of core.attempts.output(attempt, signal)) await out.flushed(line)
    },
  }),

  defineCommand({
    name: 'builds:cancel',
    about: 'End what is under way, unless it is live already',
    args: { app: appName() },
    async run({ app }, { core, out }) {
      const ended = await core.attempts.cancel(core.apps.get(app).name)
      if (ended.length === 0) return out.warn(`Nothing is under way for ${app}`)
      for (const { id, status } of ended) {
        out(
          status === 'succeeded'
            ? `Build ${id} was live already; it was not cancelled`
            : `Build ${id} is ${status}`,
        )
      }
    },
  }),

  defineCommand({
    name: 'builds:prune',
    about: 'Forget builds but for the newest ones that are kept anyway',
    args: {
      app: optional(appName()),
      all: flag('all', { about: 'Of every app' }),
      keep: option('keep', whole(0, 1000), { about: 'How many stay, instead of the retention' }),
    },
    run({ app, all, keep }, { core, out }) {
      if (!app && !all)
        throw new UserError('bad-usage', 'APP is missing.', 'Usage: builds:prune (APP|--all) [--keep N]')
      for (const name of app ? [core.apps.get(app).name] : core.apps.list().map(each => each.name)) {
        out(
          `${name}: ${core.attempts.prune(name, keep ?? Number(core.properties.inForce('builds', name, 'retention', '20')))} builds forgotten`,
        )
      }
    },
  }),

  defineReport(topic),
  defineSet(topic),
]

/** `current`: what is under way, or else the newest. */
function pick(
  app: AppName,
  id: number | 'current',
  attempts: { get(app: AppName, id: number): Attempt; list(app: AppName): readonly Attempt[] },
): Attempt {
  if (id !== 'current') return attempts.get(app, id)
  const all = attempts.list(app)
  const found = all.find(each => each.status === 'running') ?? all[0]
  if (found) return found
  throw new UserError('attempt-missing', `${app} has no builds.`)
}

function toJson({ id, kind, what, status, by, revision, failure, createdAt, endedAt }: Attempt) {
  return {
    id,
    kind,
    what,
    status,
    by,
    revision: revision ?? null,
    failure: failure ?? null,
    'created-at': createdAt.toISOString(),
    'ended-at': endedAt?.toISOString() ?? null,
  }
}

function lasted({ createdAt, endedAt }: Attempt): string {
  return endedAt ? `${((endedAt.getTime() - createdAt.getTime()) / 1000).toFixed(1)} s` : '-'
}
