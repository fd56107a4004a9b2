import {
  type App,
  appName,
  type CommandContext,
  defineCommand,
  definePlugin,
  defineReport,
  type Kv,
  one,
  optional,
  readInput,
  readNetworks,
  text,
  UserError,
} from 'davit/plugin'

import { hashOf } from './hash.ts'

/** Passwords are hashes from the first moment. */
interface State {
  readonly enabled: boolean
  readonly users: Readonly<Record<string, string>>
  readonly allowed: readonly string[]
}

const open: State = { enabled: false, users: {}, allowed: [] }

const stateOf = (app: App, kv: Kv): State => kv.of(app).get<State>('state') ?? open

async function change(app: App, state: State, context: CommandContext): Promise<void> {
  const { core, kv } = context
  kv.of(app).set('state', state)
  // An app that asks for passwords is not to stand open because this plugin is off.
  if (state.enabled) core.depend(app.name)
  else core.undepend(app.name)
  await core.routes.refresh(app.name, context)
}

const user = one('USER', 'Anything but a colon', word => {
  if (/^[^:\x00-\x1f\x7f]{1,200}$/.test(word)) return word
  throw new UserError('bad-user', `${JSON.stringify(word.slice(0, 40))} cannot be a user's name.`)
})
const password = { ...text('PASSWORD', 'Comes on stdin when it is not given'), hide: () => '***' }
const address = one('ADDRESS', 'An address or a network, 10.0.0.0/8', readNetworks)

export default definePlugin({
  name: 'http-auth',
  about: 'Asks for a name and a password in front of an app',
  api: 1,
  commands: [
    defineCommand({
      name: 'http-auth:enable',
      about: 'Ask everybody for a name and a password; with USER, a first one',
      args: { app: appName(), user: optional(user), password: optional(password) },
      async run({ app: name, user, password }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const state = stateOf(app, kv)
        if (state.enabled)
          return out.step('Authentication already enabled, use http-auth:add-user or http-auth:remove-user')
        out.step(`Enabling HTTP auth for ${name}...`)
        const users = user === undefined ? {} : { [user]: await hashed(password, 'enable', context) }
        if (user === undefined && Object.keys(state.users).length === 0)
          out.warn('Skipping user initialization: nobody comes in until http-auth:add-user')
        await change(app, { ...state, enabled: true, users: { ...state.users, ...users } }, context)
        out.detail('Done')
      },
    }),

    defineCommand({
      name: 'http-auth:disable',
      about: 'Ask nobody; users and addresses stay for the next time',
      args: { app: appName() },
      async run({ app: name }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        if (!stateOf(app, kv).enabled) return out.step('Authentication already disabled')
        out.step(`Disabling HTTP auth for ${name}...`)
        await change(app, { ...stateOf(app, kv), enabled: false }, context)
        out.detail('Done')
      },
    }),

    defineCommand({
      name: 'http-auth:add-user',
      about: 'Let somebody in, or give them another password',
      args: { app: appName(), user, password: optional(password) },
      async run({ app: name, user, password }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        mustBeEnabled(app, kv)
        out.step(`Adding ${user} to basic auth list`)
        const hash = await hashed(password, 'add-user', context)
        const { users, ...state } = stateOf(app, kv)
        await change(app, { ...state, users: { ...users, [user]: hash } }, context)
      },
    }),

    defineCommand({
      name: 'http-auth:remove-user',
      about: 'Let somebody in no longer',
      args: { app: appName(), user },
      async run({ app: name, user }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        mustBeEnabled(app, kv)
        out.step(`Removing ${user} from basic auth list`)
        const { users, ...state } = stateOf(app, kv)
        const { [user]: _, ...rest } = users
        await change(app, { ...state, users: rest }, context)
      },
    }),

    defineCommand({
      name: 'http-auth:add-allowed-ip',
      about: 'Let an address or a network in without a password',
      args: { app: appName(), address },
      async run({ app: name, address }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        out.step(`Adding ${address.join(' ')} to allowed ip list`)
        const state = stateOf(app, kv)
        // As with Dokku's: an exception is made from asking everybody.
        await change(
          app,
          { ...state, enabled: true, allowed: [...new Set([...state.allowed, ...address])] },
          context,
        )
      },
    }),

    defineCommand({
      name: 'http-auth:remove-allowed-ip',
      about: 'Ask there too',
      args: { app: appName(), address },
      async run({ app: name, address }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        out.step(`Removing ${address.join(' ')} from allowed ip list`)
        const state = stateOf(app, kv)
        const allowed = state.allowed.filter(each => !address.includes(each))
        await change(app, { ...state, allowed }, context)
      },
    }),

    defineReport({
      name: 'http-auth',
      facts(app, core, { kv }) {
        const { enabled, users, allowed } = stateOf(core.apps.get(app), kv)
        return {
          enabled: String(enabled),
          'allowed-ips': allowed.join(' '),
          users: Object.keys(users).sort().join(' '),
        }
      },
    }),
  ],
  start({ core, kv }) {
    for (const app of core.apps.list()) if (stateOf(app, kv).enabled) core.depend(app.name)
  },
  hooks: {
    shapeRoute(route, { app }, { kv }) {
      const { enabled, users, allowed } = stateOf(app, kv)
      if (!enabled) return
      return {
        ...route,
        auth: {
          realm: 'Restricted',
          users,
          allowed: Object.fromEntries(allowed.map(each => [each, true as const])),
        },
      }
    },
  },
})

function mustBeEnabled(app: App, kv: Kv): void {
  if (stateOf(app, kv).enabled) return
  throw new UserError(
    'auth-disabled',
    'Authentication is disabled',
    `Enable it: http-auth:enable ${app.name}`,
  )
}

/** From the line or from stdin, where it ends with the line. */
async function hashed(password: string | undefined, verb: string, context: CommandContext): Promise<string> {
  const usage = `http-auth:${verb} APP USER`
  const given =
    password ??
    (await readInput(context, { what: 'password', most: 4096, usage })).toString('utf8').replace(/\r?\n$/, '')
  if (given === '') throw new UserError('no-input', 'No password came in.', `Usage: ${usage} < FILE`)
  return hashOf(given)
}
