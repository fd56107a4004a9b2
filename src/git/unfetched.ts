import { UserError } from '../errors.ts'
import { GitFailed } from './git.ts'
import { shown } from './gitmodules.ts'

export interface Attempted {
  readonly url: URL
  readonly path: string
  readonly commit: string
  readonly signal: AbortSignal
  readonly isLate: boolean
  readonly seconds: number
}

/** Why a submodule could not be fetched, as its owner can put it right. What is no failure of git's stays as it is. */
export function fetchFailed(error: unknown, attempted: Attempted): unknown {
  const { path, url, signal, isLate, seconds } = attempted
  if (isLate && !signal.aborted) return tooSlow(path, url, seconds)
  if (!(error instanceof GitFailed)) return error
  const { said } = error
  const known = reasons.find(([words]) => words.test(said))?.[1]
  return known ? known(attempted, error) : unclear(attempted, error)
}

type Reason = (attempted: Attempted, cause: GitFailed) => UserError

/** By git's own words, in English (2.39 to 2.47). */
const reasons: readonly (readonly [RegExp, Reason])[] = [
  [/not our ref|remote ref|cannot update ref|not a valid SHA1|nonexistent object/i, noCommit],
  [/returned error: 3\d\d|unable to update url base/i, redirected],
  [/could not read Username|Authentication failed|returned error: 40[0-9]|not found/i, notPublic],
  [/fsck error/i, malicious],
  [/dumb http transport|not valid: is this a git repository/i, notGit],
]

function noCommit({ path, url, commit }: Attempted, cause: GitFailed): UserError {
  return new UserError(
    'submodule-commit',
    `The submodule ${shown(path)} is at commit ${commit.slice(0, 10)}, which ${shown(url.href)} does not have.`,
    `Push it there first, from within ${shown(path)}; then push again.`,
    { cause },
  )
}

export function tooLarge(path: string): UserError {
  return new UserError(
    'submodule-too-large',
    `The submodule ${shown(path)} brings more than may come with one push.`,
    'Large files are better fetched while the image is built, or kept elsewhere.',
  )
}

function redirected({ path, url }: Attempted, cause: GitFailed): UserError {
  return new UserError(
    'submodule-redirect',
    `${shown(url.href)}, the address of the submodule ${shown(path)}, leads on to another one, which is not followed.`,
    'Write the address where it ends into .gitmodules; often only .git is missing at its end.',
    { cause },
  )
}

function notPublic({ path, url }: Attempted, cause: GitFailed): UserError {
  return new UserError(
    'submodule-private',
    `There is no repository at ${shown(url.href)}, the address of the submodule ${shown(path)}, that everybody may read.`,
    'Davit signs in nowhere for it. Correct the address, make it public, or put the files into your own repository.',
    { cause },
  )
}

function notGit({ path, url }: Attempted, cause: GitFailed): UserError {
  return new UserError(
    'submodule-url',
    `What answers at ${shown(url.href)}, the address of the submodule ${shown(path)}, is no git server as Davit takes it.`,
    'Write the address that git clone takes, on a server that speaks the smart protocol.',
    { cause },
  )
}

function malicious({ path, url }: Attempted, cause: GitFailed): UserError {
  const [, what = cause.said] = /^error: object (.*)$/m.exec(cause.said) ?? []
  return new UserError(
    'submodule-refused',
    `The submodule ${shown(path)}, at ${shown(url.href)}, has what no push may bring either: ${shown(what)}`,
    'Its owner can see more with: git fsck',
    { cause },
  )
}

function tooSlow(path: string, url: URL, seconds: number): UserError {
  return new UserError(
    'submodule-slow',
    `The submodule ${shown(path)} was not there within ${seconds} s, from ${shown(url.href)}.`,
    'Try again later.',
  )
}

function unclear({ path, url }: Attempted, cause: GitFailed): UserError {
  const last = cause.said.trim().split('\n').at(-1) || `git ended with ${cause.exit}`
  return new UserError(
    'submodule-failed',
    `The submodule ${shown(path)} could not be fetched from ${shown(url.href)}: ${shown(last)}`,
    'Try: git ls-remote with that address. When that works, push again.',
    { cause },
  )
}

export function tooOld(version: string): UserError {
  return new UserError(
    'git-too-old',
    `Submodules need git 2.37 or newer on the host, which has ${version}.`,
    'An admin of the host can install a newer one.',
  )
}
