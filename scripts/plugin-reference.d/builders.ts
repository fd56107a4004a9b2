import { usageLine } from '../../src/cli/help.ts'
import type { Arguments } from '../../src/plugin/args.ts'
import {
  any,
  appName,
  appOrGlobal,
  choice,
  flag,
  hostname,
  keyFlag,
  many,
  newAppName,
  one,
  option,
  optional,
  options,
  readConfigKey,
  readNetworks,
  serviceName,
  text,
  whole,
  words,
} from '../../src/plugin/index.ts'

/** One of each that a command's `args` are made with. A line each: the reference shows them as they stand here. */
export const examples: Readonly<Record<string, Arguments>> = {
  text: { words: text('WORDS', 'What to say') },
  one: { key: one('KEY', 'A variable', readConfigKey) },
  appName: { app: appName() },
  newAppName: { to: newAppName('NEW') },
  hostname: { host: hostname() },
  serviceName: { service: serviceName() },
  appOrGlobal: { app: appOrGlobal() },
  optional: { words: optional(text('WORDS')) },
  many: { words: many(text('WORD')) },
  any: { hosts: any(hostname()) },
  words: { command: words('COMMAND', 'What to run') },
  flag: { loud: flag('loud', { short: 'l', about: 'In capitals' }) },
  option: { from: option('from', readNetworks, { about: 'Addresses, 10.0.0.0/8' }) },
  options: { headers: options('header', word => word) },
  choice: { format: option('format', choice('stdout', 'json')) },
  whole: { seconds: option('seconds', whole(1, 3600)) },
  keyFlag: { key: keyFlag('Only this value: --hello-KEY') },
}

/** How its arguments are typed, after the command. */
export function typed(args: Arguments): string {
  return usageLine({ name: '', about: '', args, run: () => undefined }).trim()
}
