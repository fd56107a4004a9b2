import { appName, choice, one, option, optional, whole } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import type { Release } from '../types.ts'
import { tableOf } from './table.ts'

export const about = 'Look at releases and go back to one'

const number = one('NUMBER', 'The number of a release', word => whole(1, 1_000_000)(word.replace(/^v/, '')))
const format = option('format', choice('stdout', 'json'), { about: 'stdout or json' })

export const commands = [
  defineCommand({
    name: 'releases:list',
    about: 'List the releases, newest first',
    reads: true,
    args: { app: appName(), format },
    run({ app, format }, { core, out }) {
      core.apps.get(app)
      const releases = core.releases.list(app)
      if (format === 'json') return out(JSON.stringify(releases.map(toJson)))
      if (releases.length === 0) return out.warn(`${app} was never deployed`)
      const rows = releases.map(each => [
        String(each.number),
        each.state,
        shortRevision(each),
        shortTime(each.createdAt),
        each.by,
        each.why,
      ])
      for (const line of tableOf([['RELEASE', 'STATE', 'REVISION', 'MADE', 'BY', 'WHY'], ...rows])) out(line)
    },
  }),

  defineCommand({
    name: 'releases:info',
    about: 'Show one release, the live one unless a number is given',
    reads: true,
    args: { app: appName(), number: optional(number), format },
    run({ app, number, format }, { core, out }) {
      core.apps.get(app)
      const release = number === undefined ? core.releases.live(app) : core.releases.get(app, number)
      if (!release) return out.warn(`${app} was never deployed`)
      if (format === 'json') return out(JSON.stringify(toJson(release)))
      out.headline(`${app} release ${release.number}`)
      for (const [key, value] of Object.entries(toJson(release))) {
        if (value !== null && typeof value !== 'object') out(`       ${`${key}:`.padEnd(24)}${value}`)
      }
      for (const [name, line] of Object.entries(release.procfile))
        out(`       ${`process ${name}:`.padEnd(24)}${line || "the image's own command"}`)
      out(
        `       ${'config keys:'.padEnd(24)}${Object.keys(core.releases.config(release)).sort().join(' ') || 'none'}`,
      )
    },
  }),

  defineCommand({
    name: 'releases:rollback',
    about: 'Bring back the release that was live before, or the one with this number',
    args: { app: appName(), number: optional(number) },
    async run({ app, number }, context) {
      const { core, out } = context
      core.apps.get(app)
      out.step(`Rolling back ${app}`)
      const release = await core.releases.rollback(app, number, context)
      out(`${app} is at release ${release.number} (${release.why})`)
    },
  }),
]

function toJson(release: Release) {
  const { number, state, revision, image, procfile, by, why, failure, createdAt, liveAt } = release
  return {
    number,
    state,
    revision: revision ?? null,
    image,
    procfile,
    by,
    why,
    failure: failure ?? null,
    'created-at': createdAt.toISOString(),
    'live-at': liveAt?.toISOString() ?? null,
  }
}

function shortRevision({ revision }: Release): string {
  return revision?.slice(0, 8) ?? '-'
}

function shortTime(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')}Z`
}
