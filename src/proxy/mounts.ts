import type { Route } from '../types.ts'
import type { Carrying, Outcome } from './carry.ts'
import { fieldsIn, linesOf } from './field-lines.ts'
import { without } from './fields.ts'
import { serveFiles } from './files.ts'
import { type Going, type Parts, pageOf, tell } from './serve.ts'

/** Something that is answered in place of the app, by the proxy itself or by a plugin. */
export interface Mounted {
  /** Without a slash at its end. */
  readonly path: string
  readonly to: NonNullable<Route['mounts']>[string]
}

export type FindMount = (path: string) => Mounted | undefined

/** Which mount a request's path is for: the longest. Undefined where the route has none. */
export function mountsOf({ mounts = {} }: Route): FindMount | undefined {
  const all = Object.entries(mounts)
    .map(([path, to]) => ({ path: path.replace(/\/+$/, ''), to }))
    .sort((a, b) => b.path.length - a.path.length)
  if (all.length === 0) return undefined
  return asked =>
    all.find(({ path }) => asked.startsWith(path) && /^(?:[/?#]|$)/.test(asked.slice(path.length)))
}

/** Whatever a mount answers, the app is never asked instead. */
export function serveMount(going: Going, mounted: Mounted, parts: Parts): void {
  if ('files' in mounted.to) serveFolder(going, mounted, parts)
  else askPlugin(going, mounted, parts, { fresh: false })
}

function serveFolder(going: Going, { path, to }: Mounted, parts: Parts): void {
  const { visitor, asked, site } = going
  const { files } = to as { files: string }
  const exchange = { kind: 'request', end: () => visitor.cut() } as const
  const done = parts.traffic.begin({ host: files, port: 0 }, exchange)
  const rest = asked.path.slice(path.length)
  const inFolder = { ...asked, path: rest.startsWith('/') ? rest : `/${rest}` }
  serveFiles(files, { visitor, asked: inFolder, dress: site.dress, base: path })
    .then(page => {
      if (page !== 'answered') tell({ page }, going)
    })
    .catch((error: unknown) => {
      parts.report(error)
      visitor.cut()
    })
    .finally(done)
}

/** The daemon's fields, which no client can say. */
const fields = ['Davit-Plugin', 'Davit-Mount', 'Davit-App'] as const
const ours: ReadonlySet<string> = new Set(fields.map(each => each.toLowerCase()))

function askPlugin(going: Going, mounted: Mounted, parts: Parts, { fresh }: { fresh: boolean }): void {
  const { visitor, asked, site, trip } = going
  const { plugin, socket } = mounted.to as { plugin: string; socket: string }
  const upstream = { host: socket, port: 0 }
  const limits = site.limits(parts.limits)
  const done = parts.traffic.begin(upstream, { kind: 'request', end: () => visitor.cut() })
  trip.upstream = `plugin ${plugin}`
  const said = without(fieldsIn(asked.lines), ours)
  const told = [plugin, mounted.path, site.route.app].flatMap((value, at) => [fields[at]!, value])
  const carrying: Carrying = {
    ...{ visitor, trip, limits, kept: undefined, compress: site.compress, dress: site.dress },
    asked: { ...asked, lines: linesOf([...said, ...told]) },
    stalled: () => parts.guard.watch(visitor, limits),
    done: (outcome: Outcome) => {
      done()
      if (outcome === 'answered' || visitor.closed) return
      if (outcome === 'again' && !fresh) return askPlugin(going, mounted, parts, { fresh: true })
      tell({ page: pageOf(outcome) }, going)
    },
  }
  parts.upstreams.to(upstream).send(carrying, { fresh })
}
