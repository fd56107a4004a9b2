import {
  type App,
  appName,
  type CommandContext,
  defineCommand,
  definePlugin,
  type Kv,
  one,
  optional,
  readInput,
  text,
  UserError,
} from 'davit/plugin'

/** Status, `4xx` or `5xx`, to HTML. */
type Pages = Readonly<Record<string, string>>

const pagesOf = (app: App, kv: Kv): Pages => kv.of(app).get<Pages>('pages') ?? {}

async function change(app: App, pages: Pages, context: CommandContext): Promise<void> {
  context.kv.of(app).set('pages', pages)
  await context.core.routes.refresh(app.name, context)
}

/** What Davit answers itself. */
const statuses = ['400', '401', '403', '404', '405', '413', '429', '502', '503', '504']

const status = one('STATUS', `${statuses.join(', ')}; 4xx and 5xx for all others`, word => {
  if (statuses.includes(word) || word === '4xx' || word === '5xx') return word
  throw new UserError(
    'bad-status',
    `Davit answers no ${word} by itself.`,
    `It answers: ${statuses.join(', ')}. 4xx and 5xx stand for all that have no page of their own.`,
  )
})

const longestPage = 1024 * 1024

export default definePlugin({
  name: 'error-pages',
  about: "Pages of one's own where Davit answers in place of an app",
  api: 1,
  commands: [
    defineCommand({
      name: 'error-pages',
      about: 'Show for which statuses an app has pages of its own',
      reads: true,
      args: { app: appName() },
      run({ app }, { core, kv, out }) {
        const pages = Object.entries(pagesOf(core.apps.get(app), kv)).sort()
        if (pages.length === 0) return out.warn(`${app} has no error pages of its own`)
        for (const [status, html] of pages) out(`${status}  ${Buffer.byteLength(html)} bytes`)
      },
    }),

    defineCommand({
      name: 'error-pages:set',
      about: "Show this HTML, from stdin, in place of Davit's page; the app's own errors stay as they are",
      args: { app: appName(), status, file: optional(text('FILE', '- for stdin')) },
      async run({ app: name, status, file }, context) {
        const app = context.core.apps.get(name)
        const usage = 'error-pages:set APP STATUS'
        const page = await readInput(context, { file, what: 'page', most: longestPage, usage })
        await change(app, { ...pagesOf(app, context.kv), [status]: page.toString('utf8') }, context)
        context.out(`${name} has its own page for ${status}`)
      },
    }),

    defineCommand({
      name: 'error-pages:unset',
      about: "Go back to Davit's page",
      args: { app: appName(), status },
      async run({ app: name, status }, context) {
        const app = context.core.apps.get(name)
        const { [status]: _, ...rest } = pagesOf(app, context.kv)
        await change(app, rest, context)
        context.out(`${name} has no page of its own for ${status}`)
      },
    }),

    defineCommand({
      name: 'error-pages:export',
      about: 'Print a page',
      reads: true,
      args: { app: appName(), status },
      run({ app, status }, { core, kv, out }) {
        const page = pagesOf(core.apps.get(app), kv)[status]
        if (page === undefined) throw new UserError('no-page', `${app} has no page of its own for ${status}.`)
        out(page.replace(/\n$/, ''))
      },
    }),
  ],
  hooks: {
    shapeRoute(route, { app }, { kv }) {
      const own = pagesOf(app, kv)
      if (Object.keys(own).length === 0) return
      const pages = statuses.flatMap(status => {
        const html = own[status] ?? own[`${status[0]}xx`]
        return html === undefined ? [] : [[status, html] as const]
      })
      return { ...route, pages: { ...route.pages, ...Object.fromEntries(pages) } }
    },
  },
})
