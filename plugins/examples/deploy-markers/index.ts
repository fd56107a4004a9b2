import {
  appName,
  choice,
  defineCommand,
  definePlugin,
  type HookContext,
  one,
  option,
  readInput,
  UserError,
} from 'davit/plugin'

/** Where releases of an app are marked. */
type Marker =
  | { readonly kind: 'sentry'; readonly url: string; readonly project: string; readonly token: string }
  | { readonly kind: 'rollbar'; readonly url: string; readonly token: string }

const usual = { sentry: 'https://sentry.io', rollbar: 'https://api.rollbar.com' }

/** Tells error monitors which release is live, so that they can say which one brought an error. */
export default definePlugin({
  name: 'deploy-markers',
  about: 'Marks releases in Sentry or Rollbar',
  api: 1,
  commands: [
    defineCommand({
      name: 'deploy-markers:set',
      about: 'Mark the releases of an app; the token comes on stdin',
      args: {
        app: appName(),
        kind: one('MONITOR', 'sentry or rollbar', choice('sentry', 'rollbar')),
        project: option('project', readProject, { about: 'Sentry: ORGANISATION/PROJECT' }),
        url: option('url', word => word.replace(/\/$/, ''), {
          about: 'Where the monitor is, when it is your own',
        }),
      },
      async run({ app, kind, project, url = usual[kind] }, context) {
        const { core, kv, out } = context
        const found = core.apps.get(app)
        const usage = `deploy-markers:set ${app} ${kind}`
        const input = await readInput(context, { what: 'token', most: 1000, usage })
        const token = input.toString('utf8').trim()
        if (kind === 'sentry' && project === undefined)
          throw new UserError(
            'bad-usage',
            'Sentry wants to know the project.',
            `Usage: ${usage} --project ORGANISATION/PROJECT`,
          )
        const marker = kind === 'sentry' ? { kind, url, project, token } : { kind, url, token }
        kv.of(found).set('marker', marker)
        out(`Releases of ${app} are marked in ${kind}`)
      },
    }),
    defineCommand({
      name: 'deploy-markers:unset',
      about: 'Mark them no longer',
      args: { app: appName() },
      run({ app }, { core, kv, out }) {
        kv.of(core.apps.get(app)).remove('marker')
        out(`Releases of ${app} are not marked`)
      },
    }),
  ],
  hooks: {
    // What goes wrong here is told to the pusher, and changes nothing: the release is live.
    async afterRelease({ app, release }, context) {
      const marker = context.kv.of(app).get<Marker>('marker')
      if (!marker) return
      const version = release.revision ?? `${app.name}@${release.number}`
      for (const { path, body } of requestsOf(marker, { version, by: release.by, why: release.why }))
        await post(`${marker.url}${path}`, body, marker, context)
    },
  },
})

interface Marked {
  readonly version: string
  readonly by: string
  readonly why: string
}

/** https://docs.sentry.io/api/releases/ and https://docs.rollbar.com/reference/post-deploy */
function requestsOf(marker: Marker, { version, by, why }: Marked): { path: string; body: object }[] {
  if (marker.kind === 'rollbar')
    return [
      {
        path: '/api/1/deploy',
        body: {
          environment: 'production',
          revision: version,
          local_username: by,
          comment: why,
          status: 'succeeded',
        },
      },
    ]
  const [organisation, project] = marker.project.split('/') as [string, string]
  const releases = `/api/0/organizations/${organisation}/releases/`
  return [
    { path: releases, body: { version, projects: [project] } },
    {
      path: `${releases}${encodeURIComponent(version)}/deploys/`,
      body: { environment: 'production', name: why },
    },
  ]
}

async function post(url: string, body: object, marker: Marker, { core, signal }: HookContext): Promise<void> {
  const sign: Record<string, string> =
    marker.kind === 'sentry'
      ? { Authorization: `Bearer ${marker.token}` }
      : { 'X-Rollbar-Access-Token': marker.token }
  const headers = { 'Content-Type': 'application/json', ...sign }
  const { status } = await core.outbound.request(url, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    signal,
  })
  if (status >= 300)
    throw new UserError('not-marked', `${marker.kind} answered ${status}: the release is not marked.`)
}

function readProject(word: string): string {
  if (/^[\w.-]+\/[\w.-]+$/.test(word)) return word
  throw new UserError('bad-argument', `${word} is not ORGANISATION/PROJECT.`)
}
