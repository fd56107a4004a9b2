import { UserError } from '../errors.ts'
import type { AppName, Awaitable, Call } from '../types.ts'
import { appName, appOrGlobal, choice, flag, keyFlag, option, optional, text } from './args.ts'
import { type Command, defineCommand } from './command.ts'
import type { Core } from './core.ts'
import type { Context } from './define.ts'

/** A value of a topic that a person sets for an app, for the host, or both. */
export interface Property {
  readonly key: string
  readonly about: string
  readonly where: 'app' | 'global' | 'both'
  /** What counts where nothing is set; for an app it may depend on the app. */
  readonly fallback: string | ((core: Core, app: AppName | undefined) => string)
  /** Throws UserError on a value it cannot take; answers it as it is kept. */
  readonly read?: (value: string) => string
  /** Heard after a change, when something must follow from it at once. */
  readonly changed?: (core: Core, app: AppName | undefined, call: Call) => Awaitable<void>
}

/** What people set and see under one word: `TOPIC:set`, `TOPIC:report`. */
export interface Topic {
  readonly name: string
  /** The topic whose properties these are, where it is not the name: one thing under two names. */
  readonly keptAs?: string
  /** In front of keys, where it is not the name. */
  readonly label?: string
  /** Keys shown without the label in front, also as the beginning of longer ones. */
  readonly bare?: readonly string[]
  readonly properties?: readonly Property[]
  /** Keys that people know from elsewhere and that cannot be set here: why, and what to do. */
  readonly instead?: Readonly<Record<string, string>>
  /** What a report shows besides the properties, in this order, for an app. */
  readonly facts?: (app: AppName, core: Core, context: Context) => Awaitable<Record<string, string>>
  readonly globalFacts?: (core: Core) => Record<string, string>
}

type Rows = Record<string, string>

/** `TOPIC:report`, the same for every topic. In JSON an object a line; among all apps each says which one it is. */
export function defineReport(topic: Topic): Command {
  return defineCommand({
    name: `${topic.name}:report`,
    about: `Show what is in force for an app, or for all`,
    reads: true,
    args: {
      app: optional(appName()),
      global: flag('global', { about: "The host's own values" }),
      format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
      key: keyFlag(`Only this value, bare: --${labelOf(topic)}-KEY`),
    },
    async run({ app, global, format, key }, context) {
      const { core, out } = context
      if (key !== undefined && format === 'json')
        throw new UserError('bad-flag', '--format flag cannot be specified when specifying an info flag')
      const subjects = global
        ? [undefined]
        : app
          ? [core.apps.get(app).name]
          : core.apps.list().map(each => each.name)
      for (const subject of subjects) {
        const rows = await rowsOf(topic, subject, context)
        if (key !== undefined) out(pick(topic, rows, key))
        else if (format === 'json')
          out(JSON.stringify({ ...(app || global ? {} : { 'app-name': subject }), ...bothKeys(topic, rows) }))
        else print(topic, subject, rows, out)
      }
    },
  })
}

/** `TOPIC:set (APP|--global) KEY [VALUE]`, the same for every topic. No value clears. */
export function defineSet(topic: Topic): Command {
  const properties = topic.properties ?? []
  return defineCommand({
    name: `${topic.name}:set`,
    about:
      properties.length > 8
        ? 'Set a value of an app or of the host; no value clears'
        : `Set ${properties.map(property => property.key).join(', ')}; no value clears`,
    args: { app: appOrGlobal(), key: text('KEY'), value: optional(text('VALUE')) },
    more: properties.map(({ key, about }) => [key, about]),
    async run({ app, key, value }, { core, by, out, signal }) {
      if (app) core.apps.get(app)
      const property = settable(topic, key, app)
      core.properties.set(
        keptAs(topic),
        app,
        key,
        value === undefined || value === '' ? undefined : (property.read?.(value) ?? value),
      )
      await property.changed?.(core, app, { by, out, signal })
      out.step(value ? `Setting ${key} to ${value}` : `Unsetting ${key}`)
    },
  })
}

function settable(topic: Topic, key: string, app: AppName | undefined): Property {
  if (topic.instead && Object.hasOwn(topic.instead, key))
    throw new UserError('bad-property', `${key} cannot be set here.`, topic.instead[key])
  const property = topic.properties?.find(each => each.key === key)
  if (!property) {
    const valid = topic.properties?.map(each => each.key).join(', ')
    throw new UserError('bad-property', `Invalid property specified, valid properties include: ${valid}`)
  }
  if (!app && property.where === 'app')
    throw new UserError('bad-property', 'Property cannot be specified globally')
  if (app && property.where === 'global')
    throw new UserError('bad-property', 'Property can only be specified globally')
  return property
}

async function rowsOf(topic: Topic, app: AppName | undefined, context: Context): Promise<Rows> {
  const { core } = context
  const rows: Rows = app ? { ...(await topic.facts?.(app, core, context)) } : { ...topic.globalFacts?.(core) }
  for (const { key, where, fallback } of topic.properties ?? []) {
    const own = app && where !== 'global' ? core.properties.get(keptAs(topic), app, key) : undefined
    const global = where === 'app' ? undefined : core.properties.get(keptAs(topic), undefined, key)
    if (app && where !== 'global') rows[key] = own ?? ''
    if (where !== 'app') rows[`global-${key}`] = global ?? ''
    rows[`computed-${key}`] = own ?? global ?? (typeof fallback === 'string' ? fallback : fallback(core, app))
  }
  return rows
}

/** Both `--git-sha` and `--sha` name it; so does the topic's plain name, `--apps-created-at`. */
function pick(topic: Topic, rows: Rows, flag: string): string {
  const bare = [labelOf(topic), topic.name].find(
    each => flag.startsWith(`${each}-`) && flag.slice(each.length + 1) in rows,
  )
  const key = bare === undefined ? flag : flag.slice(bare.length + 1)
  if (Object.hasOwn(rows, key)) return rows[key]!
  const valid = Object.keys(rows).map(each => `--${labelOf(topic)}-${each}`)
  throw new UserError('bad-flag', `Invalid flag passed, valid flags: ${valid.join(', ')}`)
}

function bothKeys(topic: Topic, rows: Rows): Rows {
  return Object.fromEntries(
    Object.entries(rows).flatMap(([key, value]) => [
      [key, value],
      [`${labelOf(topic)}-${key}`, value],
    ]),
  )
}

function print(topic: Topic, app: AppName | undefined, rows: Rows, out: (line: string) => void): void {
  out(`=====> ${app ?? 'Global'} ${labelOf(topic)} information`)
  for (const [key, value] of Object.entries(rows)) {
    out(`       ${`${titleOf(topic, key)}:`.padEnd(23)} ${value}`.trimEnd())
  }
}

function keptAs({ keptAs, name }: Topic): string {
  return keptAs ?? name
}

/** Dokku's clients know the keys of `apps` as `app-…`. */
function labelOf({ label, name }: Topic): string {
  return label ?? name
}

function titleOf(topic: Topic, key: string): string {
  const text = (
    topic.bare?.includes(key) || topic.bare?.some(each => key.startsWith(`${each}-`))
      ? key
      : `${labelOf(topic)} ${key}`
  ).replaceAll('-', ' ')
  return text[0]!.toUpperCase() + text.slice(1)
}
