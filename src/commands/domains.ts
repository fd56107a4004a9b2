import { appName, hostname, many } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { defineReport } from '../plugin/property.ts'

export const about = 'Manage the hostnames that lead to apps'

export const commands = [
  defineCommand({
    name: 'domains:add',
    about: 'Lead hostnames to an app',
    args: { app: appName(), hostnames: many(hostname()) },
    async run({ app, hostnames }, context) {
      context.core.apps.get(app)
      const added = await context.core.domains.add(app, hostnames, context)
      for (const each of hostnames) {
        context.out(
          added.includes(each) ? `Added ${each} to ${app}` : `Skipping: ${each} already added to ${app}`,
        )
      }
    },
  }),

  defineCommand({
    name: 'domains:remove',
    about: 'Lead hostnames to an app no longer',
    args: { app: appName(), hostnames: many(hostname()) },
    async run({ app, hostnames }, context) {
      context.core.apps.get(app)
      const removed = await context.core.domains.remove(app, hostnames, context)
      for (const each of hostnames) {
        context.out(
          removed.includes(each)
            ? `Removed ${each} from ${app}`
            : `Skipping: ${each} does not lead to ${app}`,
        )
      }
    },
  }),

  defineCommand({
    name: 'domains:set-global',
    about: 'The domains that apps are found under: APP.DOMAIN',
    args: { hostnames: many(hostname()) },
    async run({ hostnames }, context) {
      await context.core.domains.setGlobal(hostnames, context)
      context.out(`Set ${hostnames.join(' ')}`)
    },
  }),

  defineReport({
    name: 'domains',
    facts(app, core) {
      const hostnames = core.domains.of(app)
      return {
        'app-enabled': String(hostnames.length > 0),
        'app-vhosts': hostnames.join(' '),
        ...globals(core.domains.global()),
      }
    },
    globalFacts: core => globals(core.domains.global()),
  }),
]

function globals(hostnames: readonly string[]): Record<string, string> {
  return { 'global-enabled': String(hostnames.length > 0), 'global-vhosts': hostnames.join(' ') }
}
