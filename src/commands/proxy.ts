import { UserError } from '../errors.ts'
import { appName, choice, flag, option, optional, whole } from '../plugin/args.ts'
import { type Command, type CommandContext, defineCommand } from '../plugin/command.ts'
import { defineReport, defineSet, type Property, type Topic } from '../plugin/property.ts'
import type { AppName } from '../types.ts'
import { insteadOf, proxyProperties } from './proxy-properties.ts'
import { routeLines } from './route-lines.ts'

export const about = 'Manage how the proxy leads people to apps'

/** There is one. Clients that know Dokku's name it. */
const type: Property = {
  key: 'type',
  about: 'The proxy: davit; nginx is taken for it',
  where: 'both',
  fallback: 'davit',
  read(value) {
    if (value === 'davit' || value === 'nginx') return value
    throw new UserError(
      'bad-value',
      `There is no proxy ${value} here.`,
      'Davit has its own, which needs no choosing.',
    )
  },
}

const proxy: Topic = {
  name: 'proxy',
  properties: [type, ...proxyProperties],
  instead: insteadOf,
  facts: (app, core) => ({ enabled: String(core.properties.get('proxy', app, 'disabled') !== 'true') }),
}

/** The same settings under the name that scripts know. */
const nginx: Topic = { name: 'nginx', keptAs: 'proxy', properties: proxyProperties, instead: insteadOf }

const all = flag('all', { about: 'Every app' })
const parallel = option('parallel', whole(-1, 1000), { about: 'Taken, and of no effect: it takes no time' })
const each = { app: optional(appName()), all, parallel }

function enabling(verb: 'enable' | 'disable', about: string): Command {
  return defineCommand({
    name: `proxy:${verb}`,
    about,
    args: each,
    async run({ app, all }, context) {
      for (const name of appsOf({ app, all }, context)) {
        context.out.step(`${verb === 'enable' ? 'Enabling' : 'Disabling'} proxy for app ${name}`)
        context.core.properties.set('proxy', name, 'disabled', verb === 'disable' ? 'true' : undefined)
        await context.core.routes.refresh(name, context)
      }
    },
  })
}

export const commands: readonly Command[] = [
  defineReport(proxy),
  defineSet(proxy),
  enabling('enable', 'Lead hostnames to an app again'),
  enabling('disable', 'Lead no hostname to an app; its containers go on'),

  defineCommand({
    name: 'proxy:build-config',
    about: "Tell the proxy an app's route anew",
    args: each,
    async run({ app, all }, context) {
      for (const name of appsOf({ app, all }, context)) {
        context.out.step(`Configuring ${name}`)
        await context.core.routes.refresh(name, context)
      }
    },
  }),

  defineCommand({
    name: 'proxy:clear-config',
    about: 'Nothing is written that could be cleared: says what to do instead',
    hidden: true,
    args: each,
    run() {
      throw new UserError(
        'nothing-written',
        'The proxy has no configuration of its own that could be cleared.',
        'Take an app off the web with: proxy:disable APP. Clear a setting with: proxy:set APP KEY',
      )
    },
  }),

  defineCommand({
    name: 'proxy:upgrade',
    about:
      'Put the program that is installed now in place of the running proxy, without refusing a connection',
    async run(_, { core, out }) {
      const { was, pid } = await core.traffic.upgrade()
      out(`The proxy is replaced: process ${pid} serves in place of ${was}`)
    },
  }),

  defineReport(nginx),
  defineSet(nginx),
  ...(['nginx', 'proxy'] as const).flatMap(topic => [
    defineCommand({
      name: `${topic}:show-config`,
      about: "Show an app's route as the proxy has it",
      reads: true,
      hidden: topic === 'proxy',
      args: {
        app: appName(),
        format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
      },
      async run({ app, format }, context) {
        const { core, out } = context
        const lines = routeLines(await core.routes.get(core.apps.get(app).name, context), format ?? 'stdout')
        for (const line of lines) out(line)
      },
    }),

    defineCommand({
      name: `${topic}:validate-config`,
      about: "Try whether the proxy can take an app's route, or every app's; exit 1 when not",
      reads: true,
      hidden: topic === 'proxy',
      args: { app: optional(appName()), clean: flag('clean') },
      async run({ app }, context) {
        const { core, out } = context
        const names = app ? [core.apps.get(app).name] : core.apps.list().map(each => each.name)
        let broken = 0
        for (const name of names) {
          const fault = await core.routes.fault(name, context)
          if (fault === undefined) out(`${name}: ok`)
          else out.warn(`${name}: ${fault}`)
          if (fault !== undefined) broken++
        }
        return broken === 0 ? 0 : 1
      },
    }),
  ]),
]

function appsOf(
  { app, all }: { app: AppName | undefined; all: boolean },
  { core }: CommandContext,
): readonly AppName[] {
  if (app) return [core.apps.get(app).name]
  if (all) return core.apps.list().map(({ name }) => name)
  throw new UserError('bad-usage', 'APP is missing.', 'Name an app, or say --all.')
}
