import { pipeline } from 'node:stream/promises'

import { readEnvfile, readJsonEnv, writeEnvfile } from '../core/envfile.ts'
import { UserError } from '../errors.ts'
import { appOrGlobal, choice, flag, many, one, option, optional, text } from '../plugin/args.ts'
import { type CommandContext, defineCommand } from '../plugin/command.ts'
import { readInput } from '../plugin/input.ts'
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

type Values = readonly (readonly [string, string])[]

/** What Dokku's scripts read. */
const forms = {
  exports: (values: Values) => values.map(([key, value]) => `export ${key}=${quoted(value)}`).join('\n'),
  envfile: writeEnvfile,
  'docker-args': (values: Values) => values.map(([key, value]) => `--env=${key}=${quoted(value)}`).join(' '),
  'docker-args-keys': (values: Values) => values.map(([key]) => `--env=${key}`).join(' '),
  shell,
  pretty: columns,
  json: (values: Values) => JSON.stringify(Object.fromEntries(values)),
  'json-list': (values: Values) => JSON.stringify(values.map(([name, value]) => ({ name, value }))),
} as const

const formNames = Object.keys(forms) as (keyof typeof forms)[]

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
        const text = columns(sorted(values))
        if (text !== '') out(text)
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
    run({ app, key, quoted: inQuotes }, { core, out }) {
      if (app) core.apps.get(app)
      const value = core.config.list(app).find(each => each.key === key)?.value
      if (value === undefined) return 1
      out(inQuotes ? quoted(value) : value)
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

  defineCommand({
    name: 'config:export',
    about: 'Print the config for a shell, or in another form',
    reads: true,
    args: {
      app: appOrGlobal(),
      format: option('format', choice(...formNames), { about: formNames.join(', ') }),
      merged,
    },
    run({ app, format = 'exports', merged }, { core, out }) {
      if (app) core.apps.get(app)
      const text = forms[format](sorted(valuesOf(app, merged, core)))
      if (text !== '') out(text)
    },
  }),

  defineCommand({
    name: 'config:bundle',
    about: 'The config as a tar with a file for each key',
    reads: true,
    args: { app: appOrGlobal(), merged },
    async run({ app, merged }, { core, session, signal }) {
      if (app) core.apps.get(app)
      await pipeline(core.config.bundle(valuesOf(app, merged, core)), session.stdout, { signal, end: false })
    },
  }),

  defineCommand({
    name: 'config:import',
    about:
      'Set the values of a file that comes on stdin (on the host itself it may be named), and bring them live',
    args: {
      app: appOrGlobal(),
      file: optional(text('FILE', '- for stdin')),
      format: option('format', choice('envfile', 'json'), { about: 'envfile or json' }),
      replace: flag('replace', { about: 'Take away what is not in it' }),
      noRestart,
    },
    async run({ app, file, format, replace, noRestart }, context) {
      const { core, out } = context
      if (app) core.apps.get(app)
      const usage = `config:import ${app ?? '--global'}`
      const input = await readInput(context, { file, what: 'config', most: 16 * 1024 * 1024, usage })
      const read = format === 'json' ? readJsonEnv : readEnvfile
      const set = read(input.toString('utf8'))
      const unset = replace ? ownKeys(app, core).filter(key => !Object.hasOwn(set, key)) : []
      out.step('Setting config vars')
      for (const key of Object.keys(set)) out.detail(`${key}:  ***`)
      for (const key of unset) out.step(`Unsetting ${key}`)
      await core.config.change(app, { set, unset, restart: !noRestart }, context)
    },
  }),

  defineCommand({
    name: 'config:clear',
    about: 'Take all values away and bring that live; what plugins provide stays',
    args: { app: appOrGlobal(), noRestart },
    async run({ app, noRestart }, context) {
      if (app) context.core.apps.get(app)
      const unset = ownKeys(app, context.core)
      for (const key of unset) context.out.step(`Unsetting ${key}`)
      await context.core.config.change(app, { unset, restart: !noRestart }, context)
    },
  }),
]

/** A person's own; a plugin's are not theirs to take away. */
function ownKeys(app: AppName | undefined, core: CommandContext['core']): string[] {
  return core.config.list(app).flatMap(({ key, owner }) => (owner === '' ? [key] : []))
}

function valuesOf(app: AppName | undefined, merged: boolean, core: CommandContext['core']): Env {
  if (app && merged) return core.config.env(app)
  return Object.fromEntries(core.config.list(app).map(each => [each.key, each.value]))
}

function shell(values: Values): string {
  return values.map(([key, value]) => `${key}=${quoted(value)}`).join(' ')
}

function columns(values: Values): string {
  const width = Math.max(0, ...values.map(([key]) => key.length)) + 2
  return values.map(([key, value]) => `${`${key}:`.padEnd(width)} ${value}`).join('\n')
}

function sorted(values: Env): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`
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
