import { UserError } from '../errors.ts'
import { appName, flag, options, words } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { readConfigKey } from '../plugin/names.ts'

export const about = 'Run one-off commands in the image of the live release'

const setting = (word: string) => {
  const at = word.indexOf('=')
  if (at < 1) throw new UserError('bad-pair', `${JSON.stringify(word)} is not KEY=VALUE.`)
  return [readConfigKey(word.slice(0, at)), word.slice(at + 1)] as const
}

export const commands = [
  defineCommand({
    name: 'run',
    about: 'Run a command in a fresh container of the live release; its exit code comes back',
    args: {
      app: appName(),
      command: words('COMMAND', 'As it is; or the name of a process, to run its line'),
      env: {
        ...options('env', setting, { short: 'e', about: 'KEY=VALUE for this command only' }),
        hide: (word: string) => `${word.split('=')[0]}=***`,
      },
      noTty: flag('no-tty', { about: 'Without a terminal even where there is one' }),
    },
    async run({ app, command, env, noTty }, { core, by, out, signal, session }) {
      if (command.length === 0)
        throw new UserError(
          'bad-usage',
          'COMMAND is missing.',
          'Usage: run APP COMMAND..., for example: run shop python manage.py shell',
        )
      const { stdin, stdout, stderr } = session
      const terminal = noTty ? undefined : session.terminal
      return core.containers.run(
        core.apps.get(app).name,
        command,
        { stdin, stdout, stderr, terminal, env: Object.fromEntries(env), signal },
        { by, out, signal },
      )
    },
  }),
]
