import { UserError } from '../errors.ts'
import type { Source } from '../types.ts'
import { sourceOf } from './archive.ts'
import { type Git, GitFailed } from './git.ts'
import type { Modules } from './modules.ts'
import { readTree, type SourceLimits, type Tree } from './tree.ts'
import { gather, type Link } from './whole.ts'

export interface Place {
  readonly git: Git
  readonly modules: Modules
  readonly limits: SourceLimits & {
    /** Bytes that submodules may bring, all of a push together. */
    readonly pushBytes: number
  }
}

/** A tree as a source. With submodules it has a `whole`, which fetches what of them is not there yet. */
export function openSource({ git, modules, limits }: Place, tree: Tree, branch: string): Source {
  const alone = sourceOf(git, [{ at: '', tree }], { branch, limits })
  if (tree.links.size === 0) return alone
  return {
    ...alone,
    async whole({ out, signal }) {
      const budget = { bytes: limits.pushBytes }
      const find = (link: Link) => {
        const begin = () => out.step(`Fetching submodule ${link.path}`)
        return modules.ensure({ app: tree.repo, ...link }, { signal, budget, begin })
      }
      const parts = await gather(tree, { git, limits, find, warn: out.warn })
      return sourceOf(git, parts, { branch, limits })
    },
  }
}

export interface Tidying {
  readonly signal: AbortSignal
  /** A push is under way, which may need what nothing names yet. */
  readonly isBusy: () => boolean
}

/** Drops what was fetched for submodules of an app and what HEAD, its deployed branch, does not name. Packs the rest. */
export async function tidySubmodules({ git, modules, limits }: Place, repo: string, tidying: Tidying) {
  const needed = new Map<string, Set<string>>()
  const find = async ({ url, commit }: Link) => {
    const found = await modules.find({ app: repo, url, commit })
    if (found) needed.set(found, (needed.get(found) ?? new Set()).add(commit))
    return found
  }
  const tree = await headOf(git, repo, limits)
  if (tree) {
    // Half a walk is enough: what it misses is fetched again.
    await gather(tree, { git, limits, find, warn: () => undefined }).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error
    })
  }
  await modules.keep(repo, needed, tidying)
}

async function headOf(git: Git, repo: string, limits: SourceLimits): Promise<Tree | undefined> {
  const words = ['rev-parse', '--verify', '--quiet', '--end-of-options', 'HEAD^{commit}']
  const commit = await git.ask(repo, words).catch((error: unknown) => {
    if (error instanceof GitFailed) return undefined
    throw error
  })
  return commit && readTree(git, commit.toString().trim(), { repo }, limits)
}
