import { any, flag, text } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'

export const commands = [
  defineCommand({
    name: 'version',
    about: "Print Davit's version",
    reads: true,
    run: (_, { core, out }) => out(`davit version ${core.version}`),
  }),

  // Answered by the dispatch, which knows every command; declared here so that help shows it.
  defineCommand({
    name: 'help',
    about: 'Show the topics; with a topic or a command, what it does',
    reads: true,
    args: { topic: any(text('TOPIC')), all: flag('all', { about: 'Every command' }) },
    run: () => undefined,
  }),
]
