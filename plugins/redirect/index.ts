import {
  type App,
  type AppName,
  appName,
  type CommandContext,
  choice,
  defineCommand,
  definePlugin,
  hostname,
  type Kv,
  one,
  optional,
  type Redirect,
  readHostname,
  UserError,
} from 'davit/plugin'

/** Hostname to where it leads; `added` when it became the app's only for that. */
type Redirects = Readonly<Record<string, Redirect & { readonly added: boolean }>>

const redirectsOf = (app: App, kv: Kv): Redirects => kv.of(app).get<Redirects>('redirects') ?? {}

async function change(app: App, redirects: Redirects, context: CommandContext): Promise<void> {
  context.kv.of(app).set('redirects', redirects)
  await context.core.routes.refresh(app.name, context)
}

const target = one('TO', 'A hostname, whose path stays as it was asked; or a whole URL', readTarget)
const status = one('CODE', '301 unless told; 302, 303, 307, 308', word =>
  Number(choice('301', '302', '303', '307', '308')(word)),
)

export default definePlugin({
  name: 'redirect',
  about: 'Leads hostnames of an app to other addresses',
  api: 1,
  commands: [
    defineCommand({
      name: 'redirect',
      about: 'Show where hostnames of an app lead',
      reads: true,
      args: { app: appName() },
      run({ app }, { core, kv, out }) {
        const redirects = Object.entries(redirectsOf(core.apps.get(app), kv))
        if (redirects.length === 0) return out.warn(`There are no redirects for ${app}`)
        const rows = redirects.map(([from, { to, status }]) => [from, to, String(status)])
        for (const line of columns([['SOURCE', 'DESTINATION', 'CODE'], ...rows])) out(line)
      },
    }),

    defineCommand({
      name: 'redirect:set',
      about: 'Lead a hostname to another, or to a URL',
      args: { app: appName(), from: hostname('FROM'), to: target, status: optional(status) },
      async run({ app: name, from, to, status = 301 }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const known = redirectsOf(app, kv)
        refuseCircle(from, to, known)
        out.step(`Setting redirect for ${name}...`)
        const added = known[from]?.added ?? (await isNew(name, from, context))
        const redirect = { to, status: status as Redirect['status'], added }
        await change(app, { ...known, [from]: redirect }, context)
        out.detail('done')
      },
    }),

    defineCommand({
      name: 'redirect:unset',
      about: 'Lead a hostname to the app again, or nowhere where it was added for that',
      args: { app: appName(), from: hostname('FROM') },
      async run({ app: name, from }, context) {
        const { core, kv, out } = context
        const app = core.apps.get(name)
        const { [from]: gone, ...rest } = redirectsOf(app, kv)
        if (!gone) throw new UserError('no-redirect', `${from} is not redirected.`, `See: redirect ${name}`)
        out.step(`Unsetting redirect for ${name}...`)
        await change(app, rest, context)
        if (gone.added) await core.domains.remove(name, [from], context)
        out.detail('done')
      },
    }),
  ],
  hooks: {
    shapeRoute(route, { app }, { kv }) {
      const own = Object.entries(redirectsOf(app, kv)).filter(([from]) => Object.hasOwn(route.domains, from))
      if (own.length === 0) return
      const redirects = own.map(([from, { to, status }]) => [from, { to, status }])
      return { ...route, redirects: { ...route.redirects, ...Object.fromEntries(redirects) } }
    },
    /** The hostnames stay with the other app. */
    afterClone: ({ app }, { kv }) => kv.of(app).remove('redirects'),
  },
})

/** Whoever asks for it must find the app first, and its certificate: so it is a domain of the app. */
async function isNew(app: AppName, from: string, context: CommandContext): Promise<boolean> {
  const added = await context.core.domains.add(app, [from], context)
  if (added.length > 0) context.out.detail(`Added ${from} to ${app}`)
  return added.length > 0
}

function readTarget(word: string): string {
  if (/^https?:\/\//i.test(word)) {
    const good = URL.canParse(word) && word.length <= 2000 && /^[\x21-\x7e]+$/.test(word)
    if (good && new URL(word).hostname !== '') return word
  } else {
    const [, name = '', port] = /^([^:/?#@]+)(:\d{1,5})?$/.exec(word) ?? []
    if (name !== '' && !name.startsWith('*')) return `${readHostname(name)}${port ?? ''}`
  }
  throw new UserError(
    'bad-redirect',
    `${JSON.stringify(word.slice(0, 100))} is no address to lead to.`,
    'Give a hostname, whose paths stay as they were asked, or a URL that begins with https://.',
  )
}

/** Follows the app's own redirects: none may come back to where it began. */
function refuseCircle(from: string, to: string, known: Redirects): void {
  const seen = new Set([from])
  for (let next: string | undefined = hostOf(to); next !== undefined; next = nextOf(next, known)) {
    if (seen.has(next))
      throw new UserError('bad-redirect', `${from} would come back to itself.`, 'Lead it somewhere else.')
    seen.add(next)
  }
}

function nextOf(host: string, known: Redirects): string | undefined {
  const to = known[host]?.to
  return to === undefined ? undefined : hostOf(to)
}

function hostOf(to: string): string {
  return URL.canParse(to) && to.includes('://') ? new URL(to).hostname : to.replace(/:\d+$/, '')
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
