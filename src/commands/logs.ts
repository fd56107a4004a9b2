import { appName, flag, option, whole } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'

export const about = 'Read what apps print'

export const commands = [
  defineCommand({
    name: 'logs',
    about: 'Show the last lines of an app; -t goes on until Ctrl-C, through deploys',
    reads: true,
    args: {
      app: appName(),
      tail: flag('tail', { short: 't', about: 'Go on as lines come' }),
      num: option('num', whole(1, 100_000), { short: 'n', about: 'How many lines to begin with (100)' }),
      quiet: flag('quiet', { short: 'q', about: 'The lines only, without time and process' }),
      process: option('ps', text => text, { short: 'p', about: 'Only this process: web, or web.1' }),
    },
    async run({ app, tail, num, quiet, process }, { core, out, signal }) {
      const name = core.apps.get(app).name
      const lines = core.containers.logs(name, { tail: num ?? 100, follow: tail, process, signal })
      for await (const { at, from, text } of lines)
        await out.flushed(quiet ? text : `${at.toISOString()} ${name}[${from}]: ${text}`)
    },
  }),
]
