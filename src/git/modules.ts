import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { unlessDiskFull } from '../errors.ts'
import type { Reach } from '../outbound.ts'
import { fetchCommit, kept, refuseOldGit } from './fetch.ts'
import { type Git, GitFailed } from './git.ts'
import { fetchFailed, tooLarge } from './unfetched.ts'

/**
 * What was fetched of other repositories for an app: bare repositories in `modules` of its own, one for each address. They go where the
 * app's repository goes.
 */
export interface Modules {
  /** The repository that has the commit, which is fetched when it is not there. UserErrors as in unfetched.ts and of Reach; Cancelled. */
  ensure(wanted: Wanted, fetching: Fetching): Promise<string>
  /** The same without fetching: undefined when it is not there. */
  find(wanted: Pick<Wanted, 'app' | 'url' | 'commit'>): Promise<string | undefined>
  /** Drops all but what is named here, by repository, and packs the rest. Does nothing while they are in use. */
  keep(
    app: string,
    commits: ReadonlyMap<string, ReadonlySet<string>>,
    use: { readonly signal: AbortSignal; readonly isBusy: () => boolean },
  ): Promise<void>
}

export interface Wanted {
  /** The app's own repository. */
  readonly app: string
  readonly url: URL
  readonly commit: string
  /** The submodule's folder, for words to the person. */
  readonly path: string
}

export interface Fetching {
  readonly signal: AbortSignal
  /** Said before anything is fetched. */
  readonly begin: () => void
  /** Bytes that may come in, all submodules of a push together. */
  readonly budget: { bytes: number }
}

export interface ModulesOptions {
  readonly git: Git
  readonly reach: Reach
  readonly fetchMs: number
  /** Makes a bare repository, unless it is there. */
  readonly make: (repo: string) => Promise<void>
}

export function openModules({ git, reach, fetchMs, make }: ModulesOptions): Modules {
  const repoOf = (app: string, url: URL) => join(app, 'modules', `${digest(url)}.git`)
  const turns = new Map<string, Promise<unknown>>()

  const fetchInto = async (
    repo: string,
    { url, commit, path }: Wanted,
    { signal, begin, budget }: Fetching,
  ) => {
    begin()
    await refuseOldGit(git, repo)
    const destination = await reach(url, { signal })
    await sweep(repo)
    const before = await bytesIn(repo)
    const late = AbortSignal.timeout(fetchMs)
    const options = { signal: AbortSignal.any([signal, late]), bytes: Math.max(budget.bytes, 1) }
    await fetchCommit(git, repo, { destination, commit, ...options }).catch(async (error: unknown) => {
      if (await isFull(repo, options.bytes)) throw tooLarge(path)
      const cause = unlessDiskFull(error, "Davit's data", repo)
      throw fetchFailed(cause, { url, path, commit, signal, isLate: late.aborted, seconds: fetchMs / 1000 })
    })
    budget.bytes -= (await bytesIn(repo)) - before
    if (budget.bytes <= 0) throw tooLarge(path)
  }

  return {
    find: async ({ app, url, commit }) => {
      const repo = repoOf(app, url)
      return (await has(git, repo, commit)) ? repo : undefined
    },
    ensure: (wanted, fetching) =>
      inTurn(turns, wanted.app, async () => {
        const repo = repoOf(wanted.app, wanted.url)
        if (await has(git, repo, wanted.commit)) return repo
        const isNew = !(await isThere(repo))
        await mkdir(join(wanted.app, 'modules'), { recursive: true, mode: 0o700 })
        await make(repo)
        try {
          await fetchInto(repo, wanted, fetching)
        } catch (error) {
          if (isNew) await rm(repo, { recursive: true, force: true })
          else await sweep(repo)
          throw error
        }
        return repo
      }),
    keep: (app, commits, { signal, isBusy }) =>
      inTurn(turns, app, async () => {
        // A push that comes later waits for our turn to end.
        if (isBusy()) return
        for (const name of await readdir(join(app, 'modules')).catch(unlessMissing([]))) {
          const repo = join(app, 'modules', name)
          const kept = commits.get(repo)
          if (kept) await dropOthers(git, repo, kept, signal)
          else await remove(repo)
        }
      }),
  }
}

/** One after another for each app: what is swept or pruned is never another's work under way. */
async function inTurn<T>(
  turns: Map<string, Promise<unknown>>,
  app: string,
  work: () => Promise<T>,
): Promise<T> {
  const turn = (turns.get(app) ?? Promise.resolve()).then(work, work)
  turns.set(app, turn)
  try {
    return await turn
  } finally {
    if (turns.get(app) === turn) turns.delete(app)
  }
}

function digest(url: URL): string {
  return createHash('sha256').update(url.href).digest('hex').slice(0, 32)
}

async function has(git: Git, repo: string, commit: string): Promise<boolean> {
  if (!(await isThere(repo))) return false
  const words = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${kept}${commit}^{commit}`]
  const found = await git.ask(repo, words).catch((error: unknown) => {
    if (!(error instanceof GitFailed)) throw error
  })
  return found !== undefined
}

// Upkeep ---------------------------------------------------------------------------------------------------

/** Takes away what a git that was killed leaves: it stands in the way of the next one, or only takes room. */
async function sweep(repo: string): Promise<void> {
  for (const name of await readdir(repo, { recursive: true })) {
    if (/\.lock$|^objects\/(?:.*\/)?tmp_\w+$/.test(name))
      await rm(join(repo, name), { recursive: true, force: true })
  }
}

async function bytesIn(repo: string): Promise<number> {
  return (await packsIn(repo)).reduce((sum, { size }) => sum + size, 0)
}

/** git does not say that its pack met the bound, but the pack is still there. */
async function isFull(repo: string, bytes: number): Promise<boolean> {
  return (await packsIn(repo)).some(({ name, size }) => name.startsWith('tmp_') && size >= bytes)
}

async function packsIn(repo: string): Promise<{ name: string; size: number }[]> {
  const folder = join(repo, 'objects/pack')
  const names = await readdir(folder).catch(unlessMissing([]))
  return Promise.all(names.map(async name => ({ name, size: (await stat(join(folder, name))).size })))
}

async function dropOthers(
  git: Git,
  repo: string,
  commits: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const refs = (await git.ask(repo, ['for-each-ref', '--format=%(refname)', kept], { signal })).toString()
  for (const ref of refs.split('\n').slice(0, -1)) {
    if (!commits.has(ref.slice(kept.length))) await git.ask(repo, ['update-ref', '-d', ref], { signal })
  }
  await git.ask(repo, ['gc', '--quiet', '--prune=now'], { signal })
}

/** Out of the way in one step, so that nobody finds half of it. */
async function remove(repo: string): Promise<void> {
  const gone = `${repo}.gone`
  await rm(gone, { recursive: true, force: true })
  await rename(repo, gone)
  await rm(gone, { recursive: true, force: true })
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, unlessMissing(false))
}

function unlessMissing<T>(otherwise: T): (error: unknown) => T {
  return error => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return otherwise
  }
}
