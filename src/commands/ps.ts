import { messageOf, UserError } from '../errors.ts'
import { any, appName, choice, flag, one, option, optional, text, whole } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { defineReport, defineSet, type Topic } from '../plugin/property.ts'

export const about = 'Manage the processes of apps'

const count = one('PROCESS=COUNT', 'How many of a process', word => {
  const [, process, number] = /^([^=]+)=(\d+)$/.exec(word) ?? []
  if (!process || !number)
    throw new UserError(
      'bad-count',
      `${word} is not PROCESS=COUNT.`,
      'For example: ps:scale shop web=2 worker=1',
    )
  return [process, whole(0, 50)(number)] as const
})

const topic: Topic = {
  name: 'ps',
  bare: ['deployed', 'processes', 'running', 'status'],
  properties: [
    {
      key: 'stop-timeout-seconds',
      about: 'Seconds that a process has to end by itself',
      where: 'both',
      fallback: '30',
      read: value => String(whole(1, 3600)(value)),
    },
  ],
  async facts(app, core) {
    const status = await core.processes.status(app)
    const running = status.filter(each => each.running).length
    return {
      deployed: String(core.releases.live(app) !== undefined),
      processes: String(status.length),
      running:
        status.length === 0
          ? 'false'
          : running === status.length
            ? 'true'
            : running === 0
              ? 'false'
              : 'mixed',
      ...Object.fromEntries(
        status.map(each => [
          `status-${each.process}-${each.index}`,
          `${each.says} (release ${each.release})`,
        ]),
      ),
    }
  },
}

export const commands = [
  defineCommand({
    name: 'ps:scale',
    about: 'Say how many of each process run; no counts: show them',
    args: {
      app: appName(),
      counts: any(count),
      skipDeploy: flag('skip-deploy', { about: 'Store only; the next rollout follows it' }),
      format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
    },
    async run({ app, counts, skipDeploy, format }, context) {
      const { core, out } = context
      core.apps.get(app)
      if (counts.length > 0)
        return core.processes.scale(app, Object.fromEntries(counts), { rollout: !skipDeploy }, context)
      const formation = core.processes.formation(app)
      if (format === 'json') return out(JSON.stringify(formation))
      out.step(`Scaling for ${app}`)
      out('proctype: qty')
      out('--------: ---')
      for (const [process, number] of Object.entries(formation)) out(`${process}: ${number}`)
    },
  }),

  defineCommand({
    name: 'ps:restart',
    about: 'Put new containers in place of the running ones, without a gap',
    args: {
      app: optional(appName()),
      process: optional(text('PROCESS')),
      all: flag('all', { about: 'Every app' }),
    },
    async run({ app, process, all }, context) {
      const { core, out } = context
      if (!app && !all)
        throw new UserError('bad-usage', 'APP is missing.', 'Usage: ps:restart (APP|--all) [PROCESS]')
      // With --all the one word there is names a process.
      const names = all ? core.apps.list().map(each => each.name) : [core.apps.get(app!).name]
      const which = all ? app : process
      const failed: string[] = []
      for (const name of names) {
        out.step(`Restarting ${name}`)
        if (!core.releases.live(name)) out.warn(`${name} was never deployed`)
        else {
          const restarting = core.processes.restart(
            name,
            which === undefined ? {} : { process: which },
            context,
          )
          await (all
            ? restarting.catch(error => void failed.push(`${name}: ${messageOf(error)}`))
            : restarting)
        }
      }
      if (failed.length > 0)
        throw new UserError('restart-failed', failed.join('\n'), 'The others were restarted.')
    },
  }),

  defineCommand({
    name: 'ps:stop',
    about: 'Stop an app; its hostnames answer 503 until ps:start',
    args: { app: appName() },
    async run({ app }, context) {
      context.core.apps.get(app)
      context.out.step(`Stopping ${app}`)
      await context.core.processes.stop(app, context)
      context.out(`${app} is stopped`)
    },
  }),

  defineCommand({
    name: 'ps:start',
    about: 'Start an app that was stopped',
    args: { app: appName() },
    async run({ app }, context) {
      context.core.apps.get(app)
      context.out.step(`Starting ${app}`)
      if (!context.core.releases.live(app)) return context.out.warn(`${app} was never deployed`)
      await context.core.processes.start(app, context)
      context.out(`${app} is started`)
    },
  }),

  defineReport(topic),
  defineSet(topic),
]
