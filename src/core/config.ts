import { isDeepStrictEqual } from 'node:util'

import { bundleOf } from '../deploy/bundle.ts'
import { redeploy } from '../deploy/deploy.ts'
import { HookError, messageOf, UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import { readConfigKey } from '../plugin/names.ts'
import type { App, AppName, Call, Env } from '../types.ts'
import { getApp } from './apps.ts'
import type { Rooms } from './rooms.ts'

type Change = Parameters<Core['config']['change']>[1]

export function createConfig(rooms: Rooms, owner: string): Core['config'] {
  return {
    list: app => rooms.store.config.list(app),
    env: app => ({ ...values(undefined, rooms), ...values(app, rooms) }),
    bundle: bundleOf,
    change: (app, change, call) => changeConfig(app, change, call, rooms),
    provide: (app, values) => provide(app, values, { owner, rooms }),
  }
}

/** UserErrors `bad-key`, `config-owned`, `value-too-long`. */
export function provide(
  app: AppName,
  values: Parameters<Core['config']['provide']>[1],
  { owner, rooms }: { owner: string; rooms: Rooms },
): void {
  const given = Object.entries(values)
  const set = Object.fromEntries(given.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
  for (const key of Object.keys(values)) readConfigKey(key)
  for (const [key, value] of Object.entries(set)) refuseLong(key, value)
  const unset = given.flatMap(([key, value]) => (value === undefined ? [key] : []))
  rooms.store.config.change(getApp(app, rooms).name, { set, unset, owner })
}

async function changeConfig(
  name: AppName | undefined,
  change: Change,
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const { set = {}, unset = [] } = change
  for (const key of [...Object.keys(set), ...unset]) readConfigKey(key)
  for (const [key, value] of Object.entries(set)) refuseLong(key, value)
  refuseProvided(name, [...Object.keys(set), ...unset], rooms)
  const changed = rooms.store.config.change(name, { set, unset })
  if (!changed && (name === undefined || isLive(getApp(name, rooms), rooms))) return
  const apps = name ? [getApp(name, rooms)] : rooms.store.apps.list().filter(each => !each.retired)
  const failed: string[] = []
  for (const app of apps) {
    await tell(app, { set: Object.keys(set), unset }, call, rooms)
    if (change.restart)
      await restart(app, [...Object.keys(set), ...unset], call, rooms).catch((error: unknown) => {
        if (name) throw error
        failed.push(`${app.name}: ${messageOf(error)}`)
      })
  }
  if (failed.length > 0) throw stored(failed.join('; '), undefined)
}

async function tell(
  app: App,
  keys: { set: readonly string[]; unset: readonly string[] },
  call: Call,
  rooms: Rooms,
): Promise<void> {
  const { set, unset } = keys
  rooms.events.tell({
    kind: 'config-changed',
    app: app.name,
    by: call.by.person,
    text: `The config of ${app.name} was changed: ${[...set, ...unset].join(', ')}.`,
    data: { set: set.join(' '), unset: unset.join(' ') },
  })
  await rooms.hooks.afterConfig({ app, ...keys }, { ...call, signal: rooms.last })
}

/** A change that was stored and then failed to come live is tried again, though nothing is stored anew. */
function isLive(app: App, { store }: Rooms): boolean {
  const live = store.releases.live(app.name)
  const own = store.config.list(app.name).filter(each => each.owner === '')
  return (
    !live ||
    isDeepStrictEqual(
      Object.fromEntries(own.map(each => [each.key, each.value])),
      store.releases.config(live),
    )
  )
}

async function restart(app: App, keys: readonly string[], call: Call, rooms: Rooms): Promise<void> {
  if (rooms.store.releases.live(app.name)) call.out.step(`Restarting app ${app.name}`)
  try {
    await redeploy(app, `config:set ${keys.join(' ')}`, call, rooms)
  } catch (error) {
    if (error instanceof UserError || error instanceof HookError) throw stored(error.message, error)
    throw error
  }
}

function stored(reason: string, cause: UserError | HookError | undefined): UserError {
  const known = cause instanceof HookError ? cause.cause : cause
  const hint = [
    'The values are stored; the old release is still serving.',
    known instanceof UserError && known.hint,
  ]
    .filter(Boolean)
    .join(' ')
  return new UserError('restart-failed', reason, hint, { cause })
}

/** Linux starts no program with a longer `KEY=VALUE` (execve(2), MAX_ARG_STRLEN: 32 pages, the end included), and none with a NUL. */
function refuseLong(key: string, value: string): void {
  const bytes = Buffer.byteLength(`${key}=${value}`) + 1
  if (value.includes('\0'))
    throw new UserError('bad-value', `The value of ${key} has a NUL byte.`, 'Keep it encoded: base64.')
  if (bytes > 131_072)
    throw new UserError(
      'value-too-long',
      `The value of ${key} is too long for an environment variable: with its key ${bytes - 1} bytes of at most 131071.`,
      'Put it into several, or into a file of the source.',
    )
}

/** A plugin's value is not a person's to set. */
function refuseProvided(app: AppName | undefined, keys: readonly string[], { store }: Rooms): void {
  const provided = store.config.list(app).find(each => each.owner !== '' && keys.includes(each.key))
  if (provided)
    throw new UserError(
      'config-provided',
      `${provided.key} is provided by ${provided.owner}.`,
      `Change it with ${provided.owner}'s own commands.`,
    )
}

function values(app: AppName | undefined, { store }: Rooms): Env {
  return Object.fromEntries(store.config.list(app).map(each => [each.key, each.value]))
}
