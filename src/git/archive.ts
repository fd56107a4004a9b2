import { PassThrough, type Readable } from 'node:stream'

import { Cancelled, UserError } from '../errors.ts'
import type { Env, Source } from '../types.ts'
import { ended, endGroup, type Git, GitFailed, TooMuch, tail } from './git.ts'

export interface SourceLimits {
  /** Bytes of the list of files: a few crafted objects can name billions. */
  readonly listBytes: number
  /** Bytes of all files together, unpacked. */
  readonly treeBytes: number
  /** Bytes of a file that is read into memory. */
  readonly fileBytes: number
}

export interface Place {
  readonly repo: string
  readonly branch: string
  readonly quarantine: Env | undefined
}

/** A commit's files. Links are listed but never read or followed; submodules are left out. UserError `tree-too-large` past the limits. */
export async function openSource(
  git: Git,
  commit: string,
  { repo, branch, quarantine: env }: Place,
  limits: SourceLimits,
): Promise<Source> {
  const files = await filesOf(git, commit, { repo, env, limits })
  return {
    revision: commit,
    branch,
    list: async () => [...files.keys()],
    async read(path) {
      const file = files.get(path)
      if (!file?.regular) return undefined
      if (file.size > limits.fileBytes) throw tooLarge(path, limits.fileBytes)
      return git.ask(repo, ['cat-file', 'blob', file.id], { env, maxBytes: limits.fileBytes })
    },
    archive: ({ signal }) => tarOf(git, commit, { repo, env, signal }),
  }
}

interface File {
  readonly id: string
  readonly size: number
  /** Neither a link nor a submodule. */
  readonly regular: boolean
}

async function filesOf(
  git: Git,
  commit: string,
  { repo, env, limits }: { repo: string; env: Env | undefined; limits: SourceLimits },
): Promise<ReadonlyMap<string, File>> {
  const words = ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', commit]
  const list = await git.ask(repo, words, { env, maxBytes: limits.listBytes }).catch(error => {
    throw error instanceof TooMuch ? new UserError('tree-too-large', 'The source has too many files.') : error
  })
  const files = new Map<string, File>()
  let total = 0
  for (const line of list.toString().split('\0').slice(0, -1)) {
    const { path, kind, ...file } = entryIn(line)
    if (kind !== 'blob') continue
    files.set(path, file)
    total += file.size
  }
  if (total > limits.treeBytes) throw tooLarge('The source', limits.treeBytes)
  return files
}

function entryIn(line: string): File & { path: string; kind: string } {
  const [, mode, kind, id, size, path] = /^(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t(.+)$/s.exec(line) ?? []
  if (!mode || !kind || !id || !path) throw new Error(`git ls-tree said: ${line}`)
  // 100664 is what old gits wrote for 100644.
  return { path, kind, id, size: Number(size) || 0, regular: mode.startsWith('100') }
}

/** Ends with an error when git fails, with Cancelled when the signal is aborted; a reader who leaves ends git. */
function tarOf(
  git: Git,
  commit: string,
  { repo, env, signal }: { repo: string; env: Env | undefined; signal: AbortSignal },
): Readable {
  const words = ['archive', '--format=tar', '--end-of-options', commit]
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

function tooLarge(what: string, bytes: number): UserError {
  return new UserError('tree-too-large', `${what} is larger than ${Math.floor(bytes / 2 ** 20)} MiB.`)
}
