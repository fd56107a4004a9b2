import { PassThrough, Readable } from 'node:stream'

import { Cancelled } from '../errors.ts'
import type { Source } from '../types.ts'
import { ended, endGroup, type Git, GitFailed, tail } from './git.ts'
import { readFile, type SourceLimits, type Tree } from './tree.ts'

/** A tree and the folder it has in the whole: '' for the top, `lib/` for the submodule at lib. */
export interface Part {
  readonly at: string
  readonly tree: Tree
}

export interface Sight {
  readonly branch: string
  readonly limits: SourceLimits
}

/** The files of a commit, and of its submodules where there are more parts. */
export function sourceOf(git: Git, [top, ...others]: Parts, { branch, limits }: Sight): Source {
  const parts = [top, ...others]
  return {
    revision: top.tree.commit,
    branch,
    list: async () => {
      const lists = parts.map(({ at, tree }) => [...tree.files.keys()].map(path => `${at}${path}`))
      return lists.length === 1 ? lists[0]! : lists.flat().sort()
    },
    async read(path) {
      const found = parts.find(({ at, tree }) => path.startsWith(at) && tree.files.has(path.slice(at.length)))
      return found && readFile(git, found.tree, path.slice(found.at.length), limits)
    },
    archive: ({ signal }) =>
      others.length === 0
        ? tarOf(git, top, signal)
        : Readable.from(tarsOf(git, parts, signal), { objectMode: false }),
  }
}

export type Parts = readonly [Part, ...Part[]]

async function* tarsOf(git: Git, parts: readonly Part[], signal: AbortSignal): AsyncGenerator<Buffer> {
  for (const part of parts) yield* tarOf(git, part, signal)
}

/** Ends with an error when git fails, with Cancelled when the signal is aborted; a reader who leaves ends git. */
function tarOf(git: Git, { at, tree }: Part, signal: AbortSignal): Readable {
  const { repo, env, commit } = tree
  const words = ['archive', '--format=tar', `--prefix=${at}`, '--end-of-options', commit]
  const child = git.start(repo, words, { env, signal })
  const tar = new PassThrough()
  child.stdin!.end()
  child.stdout!.pipe(tar, { end: false })
  tar.once('close', () => tar.writableFinished || endGroup(child))
  Promise.all([ended(child), tail(child.stderr!)]).then(
    ([exit, said]) => {
      if (signal.aborted) tar.destroy(new Cancelled())
      else if (exit !== 0) tar.destroy(new GitFailed(words, exit, said))
      else tar.end()
    },
    error => tar.destroy(error),
  )
  return tar
}
