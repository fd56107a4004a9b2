import type { Engine, LogLine, LogOptions } from '../docker/engine.ts'
import { UserError } from '../errors.ts'
import type { AppLogLine, LogsOptions } from '../plugin/core.ts'
import type { App } from '../types.ts'
import { containersOf, instanceLabels, type Rooms } from './rooms.ts'

type From = { readonly name: string; readonly from: string }

/** Lines of the app's containers. Without `follow`: the last ones of each, by time. With it: those, then on, through deploys. */
export async function* logsOf(app: App, options: LogsOptions, rooms: Rooms): AsyncIterable<AppLogLine> {
  const sources = await sourcesOf(app, options, rooms)
  if (!options.follow) {
    if (sources.length === 0)
      throw new UserError(
        'no-containers',
        options.process === undefined
          ? `${app.name} has no container.`
          : `${app.name} has no container of ${options.process}.`,
        `See what runs: ps:report ${app.name}`,
      )
    yield* await lastOf(sources, options, rooms.engine)
    return
  }
  yield* following(app, sources, options, rooms)
}

async function sourcesOf(app: App, { process }: LogsOptions, rooms: Rooms): Promise<From[]> {
  const infos = await containersOf(app.name, rooms)
  return infos
    .filter(({ labels }) => labels['com.davit.process'] && (process === undefined || isOf(labels, process)))
    .map(({ name, labels }) => ({
      name,
      from: `${labels['com.davit.process']}.${labels['com.davit.index']}`,
    }))
    .sort((a, b) => (a.from < b.from ? -1 : 1))
}

/** `web`, or one container of it: `web.1`. */
function isOf(labels: Readonly<Record<string, string>>, process: string): boolean {
  return (
    process === labels['com.davit.process'] ||
    process === `${labels['com.davit.process']}.${labels['com.davit.index']}`
  )
}

async function lastOf(
  sources: readonly From[],
  { tail, signal }: LogsOptions,
  engine: Engine,
): Promise<AppLogLine[]> {
  const all = await Promise.all(
    sources.map(async ({ name, from }) => {
      const lines: AppLogLine[] = []
      for await (const line of linesOf(name, { tail, signal }, engine)) lines.push(toApp(from, line))
      return lines
    }),
  )
  return all
    .flat()
    .sort((a, b) => a.at.getTime() - b.at.getTime())
    .slice(-tail)
}

/** A container that goes meanwhile has said all it had to say. */
async function* linesOf(name: string, options: LogOptions, engine: Engine): AsyncIterable<LogLine> {
  try {
    yield* engine.logs(name, options)
  } catch (error) {
    if (await engine.inspect(name)) throw error
  }
}

function toApp(from: string, { at, text }: LogLine): AppLogLine {
  return { at, from, text }
}

/** It ends with the app. Merges the containers' streams as lines come; a container that starts later joins in with all it says. */
async function* following(
  app: App,
  sources: readonly From[],
  options: LogsOptions,
  rooms: Rooms,
): AsyncIterable<AppLogLine> {
  const gone = new AbortController()
  const signal = AbortSignal.any([options.signal, gone.signal])
  const merged = createMerge(signal)
  const watch = setInterval(() => {
    if (named(app, rooms).retired) gone.abort()
  }, 1_000)
  signal.addEventListener('abort', () => clearInterval(watch), { once: true })
  const ends = new Map<string, Promise<unknown>>()
  const seen = new Map<string, Date>()
  const follow = (source: From, tail: number | undefined) => {
    const before = ends.get(source.name)
    const read = async (push: (line: AppLogLine) => Promise<void>) => {
      // A container that starts again has its older lines still.
      await before
      const since = seen.get(source.name)
      const limits = { ...(tail === undefined ? {} : { tail }), ...(since ? { since } : {}) }
      for await (const line of linesOf(source.name, { ...limits, follow: true, signal }, rooms.engine)) {
        if (since && line.at <= since) continue
        seen.set(source.name, line.at)
        await push(toApp(source.from, line))
      }
    }
    merged.add(push => {
      const done = read(push)
      ends.set(
        source.name,
        done.catch(() => undefined),
      )
      return done
    })
  }
  const known = new Set(sources.map(each => each.name))
  const newcomers = async () => {
    for await (const event of rooms.engine.events({ labels: instanceLabels(rooms), signal })) {
      if (event.kind === 'container' && event.action === 'die') known.delete(event.name)
      if (event.kind === 'container' && event.action !== 'start') continue
      const now = named(app, rooms)
      // Its name may be another's already.
      if (now.retired) continue
      for (const source of await sourcesOf(now, options, rooms)) {
        if (!known.has(source.name)) follow(source, undefined)
        known.add(source.name)
      }
    }
  }
  for (const source of sources) follow(source, options.tail)
  merged.add(newcomers)
  try {
    yield* merged.lines()
  } finally {
    gone.abort()
  }
}

/** By the name it has now; one that is gone counts as retired. */
function named(app: App, { store }: Rooms): App {
  return store.apps.list().find(each => each.id === app.id) ?? { ...app, retired: true }
}

interface Merge {
  add(source: (push: (line: AppLogLine) => Promise<void>) => Promise<void>): void
  lines(): AsyncIterable<AppLogLine>
}

/** Many sources, one reader; a source waits until its line was taken, so that nothing piles up. */
function createMerge(signal: AbortSignal): Merge {
  const waiting: { line: AppLogLine; taken: () => void }[] = []
  let failure: unknown
  let wake = Promise.withResolvers<void>()
  const push = (line: AppLogLine) => {
    const taken = Promise.withResolvers<void>()
    waiting.push({ line, taken: taken.resolve })
    wake.resolve()
    return taken.promise
  }
  signal.addEventListener('abort', () => wake.resolve(), { once: true })
  return {
    add(source) {
      source(push).catch((error: unknown) => {
        if (!signal.aborted) failure = error
        wake.resolve()
      })
    },
    async *lines() {
      while (!signal.aborted) {
        const next = waiting.shift()
        if (next) {
          next.taken()
          yield next.line
        } else if (failure) {
          throw failure
        } else {
          await wake.promise
          wake = Promise.withResolvers()
        }
      }
    },
  }
}
