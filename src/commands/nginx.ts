import { appOrGlobal, choice, flag, option, whole } from '../plugin/args.ts'
import { type Command, defineCommand } from '../plugin/command.ts'

export const about = 'See and set what the proxy does, under the name that scripts know'

const args = {
  app: appOrGlobal(),
  tail: flag('tail', { short: 't', about: 'Go on as lines come' }),
  num: option('num', whole(1, 100_000), { short: 'n', about: 'How many lines to begin with (100)' }),
}

const accessForm = option('format', choice('json', 'combined'), {
  about: 'json, or combined as nginx has it',
})
const errorForm = option('format', choice('stdout', 'json'), { about: 'stdout or json' })

/** Under the name that scripts know, and under the proxy's own. */
export const commands: readonly Command[] = ['nginx', 'proxy'].flatMap(topic => [
  defineCommand({
    name: `${topic}:access-logs`,
    about: 'Show the last requests for an app, or with --global those that reached none; -t goes on',
    reads: true,
    hidden: topic === 'proxy',
    args: { ...args, format: accessForm },
    async run({ app, tail, num, format }, { core, out, signal }) {
      if (app) core.apps.get(app)
      const options = { tail: num ?? 100, follow: tail, signal }
      for await (const line of core.traffic.log(app, format ?? 'as-written', options)) await out.flushed(line)
    },
  }),

  defineCommand({
    name: `${topic}:error-logs`,
    about: 'Show the last requests that got no answer from an app, and why; -t goes on',
    reads: true,
    hidden: topic === 'proxy',
    args: { ...args, format: errorForm },
    async run({ app, tail, num, format }, { core, out, signal }) {
      if (app) core.apps.get(app)
      const options = { tail: num ?? 100, follow: tail, signal }
      const form = format === 'json' ? 'errors-json' : 'errors'
      for await (const line of core.traffic.log(app, form, options)) await out.flushed(line)
    },
  }),
])
