import { createHash } from 'node:crypto'

import {
  type App,
  appName,
  type CommandContext,
  defineCommand,
  definePlugin,
  defineReport,
  type Kv,
  option,
  optional,
  readInput,
  readNetworks,
  text,
  UserError,
} from 'davit/plugin'

import { fileIn, tarOf } from './tar.ts'

/** What is kept of an app. */
interface State {
  readonly enabled: boolean
  /** HTML in place of Davit's own page. */
  readonly page?: string
  /** Who comes through, as addresses or networks. */
  readonly allowed: readonly string[]
}

const closed: State = { enabled: false, allowed: [] }
const fileName = 'maintenance.html'

const stateOf = (app: App, kv: Kv): State => kv.of(app).get<State>('state') ?? closed

async function change(app: App, state: State, context: CommandContext): Promise<void> {
  const { core, kv } = context
  kv.of(app).set('state', state)
  // An app that is worked on is not to stand open because this plugin is off.
  if (state.enabled) core.depend(app.name)
  else core.undepend(app.name)
  await core.routes.refresh(app.name, context)
}

export default definePlugin({
  name: 'maintenance',
  about: 'Shows a page in place of an app while it is worked on',
  api: 1,
  commands: [
    defineCommand({
      name: 'maintenance',
      about: 'Print whether an app is in maintenance: on or off',
      reads: true,
      args: { app: appName() },
      run({ app }, { core, kv, out }) {
        out.step(`Maintenance status of ${app}:`)
        out.detail(stateOf(core.apps.get(app), kv).enabled ? 'on' : 'off')
      },
    }),

    defineCommand({
      name: 'maintenance:enable',
      about: 'Show the maintenance page to everybody, but for addresses that are allowed',
      args: {
        app: appName(),
        allow: option('allow', readNetworks, { about: 'Who comes through: 192.0.2.7,10.0.0.0/8' }),
      },
      async run({ app: name, allow }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const state = stateOf(app, kv)
        if (state.enabled && allow === undefined) return out('Maintenance mode already enabled')
        out.step(`Enabling maintenance mode for ${name}...`)
        await change(app, { ...state, enabled: true, allowed: allow ?? state.allowed }, context)
        out.detail('done')
      },
    }),

    defineCommand({
      name: 'maintenance:disable',
      about: 'Lead people to the app again',
      args: { app: appName() },
      async run({ app: name }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const state = stateOf(app, kv)
        if (!state.enabled) return out('Maintenance mode already disabled')
        out.step(`Disabling maintenance mode for ${name}...`)
        await change(app, { ...state, enabled: false, allowed: [] }, context)
        out.detail('done')
      },
    }),

    defineCommand({
      name: 'maintenance:custom-page',
      about: `Take a page of one's own from stdin: HTML, or a tar with ${fileName}`,
      args: { app: appName(), file: optional(text('FILE', '- for stdin')) },
      async run({ app: name, file }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        out.step('Importing custom maintenance page...')
        const page = pageIn(
          await readInput(context, { file, what: 'page', most: 4 * 1024 * 1024, usage }),
          out.warn,
        )
        await change(app, { ...stateOf(app, kv), page }, context)
        out.detail('done')
      },
    }),

    defineCommand({
      name: 'maintenance:custom-page-export',
      about: `Print the page as a tar with ${fileName}; at a terminal, as HTML`,
      reads: true,
      args: { app: appName() },
      run({ app }, { core, kv, out, session }) {
        const { page } = stateOf(core.apps.get(app), kv)
        if (page === undefined) out.warn(`No custom maintenance page set for ${app}; nothing to export`)
        if (session.terminal) return page === undefined ? undefined : out(page)
        session.stdout.write(tarOf(page === undefined ? {} : { [fileName]: page }))
      },
    }),

    defineCommand({
      name: 'maintenance:custom-page-remove',
      about: "Go back to Davit's own page",
      args: { app: appName() },
      async run({ app: name }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const { page, ...state } = stateOf(app, kv)
        if (page === undefined) return out(`No custom maintenance page set for ${name}`)
        out.step(`Removing custom maintenance page for ${name}...`)
        await change(app, state, context)
        out.detail('done')
      },
    }),

    defineReport({
      name: 'maintenance',
      facts(app, core, { kv }) {
        const { enabled, page, allowed } = stateOf(core.apps.get(app), kv)
        return {
          enabled: String(enabled),
          'custom-page-sha256': page === undefined ? '' : createHash('sha256').update(page).digest('hex'),
          allowed: allowed.join(' '),
        }
      },
    }),
  ],
  start({ core, kv }) {
    for (const app of core.apps.list()) if (stateOf(app, kv).enabled) core.depend(app.name)
  },
  hooks: {
    shapeRoute(route, { app }, { kv }) {
      const { enabled, page, allowed } = stateOf(app, kv)
      if (!enabled) return
      return {
        ...route,
        maintenance: {
          ...(page === undefined ? {} : { page }),
          allowed: Object.fromEntries(allowed.map(each => [each, true as const])),
        },
      }
    },
    /** The page stays, and the clone is open. */
    afterClone({ app }, { core, kv }) {
      kv.of(app).set('state', { ...stateOf(app, kv), enabled: false })
      core.undepend(app.name)
    },
  },
})

const usage = 'maintenance:custom-page APP'
const longestPage = 1024 * 1024

/** Of a tar only the page is kept: there is no place for other files to be asked for. */
function pageIn(input: Buffer, warn: (text: string) => void): string {
  const found = fileIn(input, fileName)
  if (found && !found.content)
    throw new UserError('no-page', `Tar archive missing ${fileName}`, 'Put the page into it under this name.')
  for (const other of found?.others ?? [])
    warn(`${other} is left out: a maintenance page is one file. Put pictures and styles into it.`)
  const page = (found?.content ?? input).toString('utf8')
  if (page === '') throw new UserError('no-page', 'The page is empty.')
  if (page.length > longestPage) throw new UserError('no-page', 'A page has at most 1 MB.')
  return page
}
