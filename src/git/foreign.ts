import { rm } from 'node:fs/promises'

import { UserError } from '../errors.ts'
import type { Destination, Reach } from '../outbound.ts'
import type { Source } from '../types.ts'
import { configFor, fetchCommit, refuseOldGit } from './fetch.ts'
import { type Git, GitFailed } from './git.ts'
import { shown } from './gitmodules.ts'
import { openSource, type Place } from './submodules.ts'
import { temporary } from './temporary.ts'
import { readTree } from './tree.ts'

export interface Foreign {
  readonly url: URL
  /** A branch, a tag or a whole commit; undefined: what HEAD names there. */
  readonly committish: string | undefined
  readonly signal: AbortSignal
  /** The most that may come in. */
  readonly bytes: number
}

export interface ForeignTools extends Place {
  readonly reach: Reach
  readonly limits: Place['limits'] & { readonly fetchMs: number }
  readonly make: (repo: string) => Promise<void>
  /** Where repositories are. */
  readonly folder: string
}

/** Hands over the files of a commit elsewhere, from a repository of ours that goes when `use` has ended. Errors as in Repositories. */
export async function withForeign<T>(
  tools: ForeignTools,
  from: Pick<Foreign, 'url' | 'committish' | 'signal'>,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const { git, folder, limits, make, reach } = tools
  const repo = temporary(folder)
  const late = AbortSignal.any([from.signal, AbortSignal.timeout(limits.fetchMs)])
  try {
    await make(repo)
    const commit = await fetchForeign(git, repo, reach, { ...from, signal: late, bytes: limits.pushBytes })
    const tree = await readTree(git, commit, { repo, env: undefined }, limits)
    return await use(openSource(tools, tree, ''))
  } finally {
    await rm(repo, { recursive: true, force: true })
  }
}

/** Fetches one commit of a repository that everybody may read into an empty one of ours, and answers it. */
async function fetchForeign(git: Git, repo: string, reach: Reach, foreign: Foreign): Promise<string> {
  const { url, signal, bytes } = foreign
  await refuseOldGit(git, repo)
  const destination = await reach(url, { signal })
  if (url.username || url.password) throw withPassword(url)
  try {
    const commit = await commitOf(git, repo, destination, foreign)
    await fetchCommit(git, repo, { destination, commit, signal, bytes })
    return commit
  } catch (error) {
    throw error instanceof GitFailed ? failed(url, error) : error
  }
}

async function commitOf(git: Git, repo: string, destination: Destination, foreign: Foreign): Promise<string> {
  const { url, committish, signal } = foreign
  if (committish !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(committish)) return committish
  const names =
    committish === undefined
      ? ['HEAD']
      : [`refs/tags/${committish}^{}`, `refs/tags/${committish}`, `refs/heads/${committish}`]
  const words = ['ls-remote', '--quiet', '--end-of-options', url.href]
  const listed = await git.ask(repo, words, {
    config: configFor(destination),
    env: { HOME: '/nonexistent' },
    signal,
    maxBytes: 1 << 24,
  })
  const refs = new Map(
    listed
      .toString()
      .split('\n')
      .map(line => line.split('\t').reverse() as [string, string]),
  )
  const found = names.map(name => refs.get(name)).find(each => each !== undefined)
  if (found !== undefined) return found
  throw new UserError(
    'git-commit',
    committish === undefined
      ? `${shown(url.href)} has no commit yet.`
      : `${shown(url.href)} has no branch or tag ${shown(committish)}.`,
    'Name a branch, a tag, or a commit by all of its digits: --committish REV',
  )
}

function failed(url: URL, cause: GitFailed): UserError {
  const last = cause.said.trim().split('\n').at(-1) || `git ended with ${cause.exit}`
  const known = reasons.find(([words]) => words.test(cause.said))
  return new UserError(
    'git-failed',
    `${shown(url.href)} could not be fetched: ${known?.[1] ?? shown(last)}`,
    known?.[2] ?? 'Try: git ls-remote with that address.',
    { cause },
  )
}

/** By git's own words, in English (2.39 to 2.47). */
const reasons: readonly (readonly [RegExp, string, string])[] = [
  [
    /not our ref|remote ref|not a valid SHA1|nonexistent object/i,
    'it does not have that commit.',
    'Name a branch, a tag, or a commit by all of its digits: --committish REV',
  ],
  [
    /returned error: 3\d\d|unable to update url base/i,
    'it leads on to another address, which is not followed.',
    'Use the address where it ends; often only .git is missing at its end.',
  ],
  [
    /could not read Username|Authentication failed|returned error: 40[0-9]|not found/i,
    'there is no repository that everybody may read.',
    'Correct the address, or send the files instead: tar -c . | ssh HOST plugin:install -',
  ],
]

function withPassword(url: URL): UserError {
  return new UserError(
    'git-url',
    `${url.host} would be told a password that stands in the address, where everybody can see it.`,
    'Send the files instead: tar -c . | ssh HOST plugin:install -',
  )
}
