import { UserError } from '../errors.ts'
import { appOrGlobal, flag, many, one, text } from '../plugin/args.ts'
import { type CommandContext, defineCommand } from '../plugin/command.ts'
import { readConfigKey } from '../plugin/names.ts'
import type { AppName, Env } from '../types.ts'

export const about = 'Manage the config that apps get as environment variables'

const merged = flag('merged', { about: "With the host's own values under the app's" })
const noRestart = flag('no-restart', { about: 'Store only; the next release gets it' })

const pair = {
  ...one('KEY=VALUE', 'A key and its value', word => {
    const at = word.indexOf('=')
    if (at < 1)
      throw new UserError(
        'bad-pair',
        `${JSON.stringify(word.slice(0, 40))} is not KEY=VALUE.`,
        `For example: config:set shop GREETING=hello; over SSH quote twice: "config:set shop GREETING='two words'"`,
      )
    return [readConfigKey(word.slice(0, at)), word.slice(at + 1)] as const
  }),
  // Values may be passwords: the audit keeps the key only.
  hide: (word: string) => `${word.slice(0, Math.max(word.indexOf('='), 0))}=***`,
}

export const commands = [
  ...(['config', 'config:show'] as const).map(name =>
    defineCommand({
      name,
      about: 'Show the config of an app, or of the host',
      reads: true,
      args: { app: appOrGlobal(), merged },
      run({ app, merged }, { core, out }) {
        if (app) core.apps.get(app)
        const values = valuesOf(app, merged, core)
        out.headline(`${app ?? 'global'} env vars`)
        const width = Math.max(0, ...Object.keys(values).map(key => key.length)) + 2
        for (const [key, value] of sorted(values)) out(`${`${key}:`.padEnd(width)} ${value}`)
      },
    }),
  ),

  defineCommand({
    name: 'config:get',
    about: 'Print one value; exit 1 when it is not set',
    reads: true,
    args: {
      app: appOrGlobal(),
      key: text('KEY'),
      quoted: flag('quoted', { about: 'In single quotes, for a shell' }),
    },
    run({ app, key, quoted }, { core, out }) {
      if (app) core.apps.get(app)
      const value = core.config.list(app).find(each => each.key === key)?.value
      if (value === undefined) return 1
      out(quoted ? `'${value.replaceAll("'", `'\\''`)}'` : value)
      return 0
    },
  }),

  defineCommand({
    name: 'config:set',
    about: 'Set values and bring them live',
    args: {
      app: appOrGlobal(),
      pairs: many(pair),
      encoded: flag('encoded', { about: 'Values are base64' }),
      noRestart,
    },
    async run({ app, pairs, encoded, noRestart }, context) {
      if (app) context.core.apps.get(app)
      context.out.step('Setting config vars')
      const set = Object.fromEntries(
        pairs.map(([key, value]) => [key, encoded ? decoded(key, value) : value]),
      )
      for (const key of Object.keys(set)) context.out.detail(`${key}:  ***`)
      if ('PORT' in set)
        context.out.warn('PORT is stored, but containers get the port that Davit gives them.')
      await context.core.config.change(app, { set, restart: !noRestart }, context)
    },
  }),

  defineCommand({
    name: 'config:unset',
    about: 'Take values away and bring that live',
    args: { app: appOrGlobal(), keys: many(one('KEY', 'A key', readConfigKey)), noRestart },
    async run({ app, keys, noRestart }, context) {
      if (app) context.core.apps.get(app)
      for (const key of keys) context.out.step(`Unsetting ${key}`)
      await context.core.config.change(app, { unset: keys, restart: !noRestart }, context)
    },
  }),

  defineCommand({
    name: 'config:keys',
    about: 'Print the keys',
    reads: true,
    args: { app: appOrGlobal(), merged },
    run({ app, merged }, { core, out }) {
      if (app) core.apps.get(app)
      for (const [key] of sorted(valuesOf(app, merged, core))) out(key)
    },
  }),
]

function valuesOf(app: AppName | undefined, merged: boolean, core: CommandContext['core']): Env {
  if (app && merged) return core.config.env(app)
  return Object.fromEntries(core.config.list(app).map(each => [each.key, each.value]))
}

function sorted(values: Env): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
}

function decoded(key: string, value: string): string {
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') === value.replace(/=+$/, '')) return bytes.toString('utf8')
  throw new UserError(
    'bad-base64',
    `The value of ${key} is not base64.`,
    'Leave out --encoded, or encode it: printf %s VALUE | base64 -w0',
  )
}
