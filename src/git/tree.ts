import { UserError } from '../errors.ts'
import type { Env } from '../types.ts'
import { type Git, TooMuch } from './git.ts'

export interface SourceLimits {
  /** Bytes of the list of files: a few crafted objects can name billions. */
  readonly listBytes: number
  /** Bytes of all files together, unpacked. */
  readonly treeBytes: number
  /** Bytes of a file that is read into memory. */
  readonly fileBytes: number
}

export interface File {
  readonly id: string
  readonly size: number
  /** Not a link. */
  readonly regular: boolean
}

/** A commit's files, as git lists them. */
export interface Tree {
  readonly commit: string
  readonly repo: string
  /** Where its objects are while they are in a push. */
  readonly env: Env | undefined
  /** By path, in git's own order. */
  readonly files: ReadonlyMap<string, File>
  /** Path of each submodule to the commit it is at. */
  readonly links: ReadonlyMap<string, string>
  /** What it takes of the limits. */
  readonly listBytes: number
  readonly treeBytes: number
}

/** Links are listed and never followed. UserError `tree-too-large` past the limits. */
export async function readTree(
  git: Git,
  commit: string,
  { repo, env }: { repo: string; env?: Env | undefined },
  limits: SourceLimits,
): Promise<Tree> {
  const words = ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', commit]
  const list = await git.ask(repo, words, { env, maxBytes: limits.listBytes }).catch(error => {
    throw error instanceof TooMuch ? new UserError('tree-too-large', 'The source has too many files.') : error
  })
  const files = new Map<string, File>()
  const links = new Map<string, string>()
  let treeBytes = 0
  for (const line of list.toString().split('\0').slice(0, -1)) {
    const { path, kind, ...file } = entryIn(line)
    if (kind === 'commit') links.set(path, file.id)
    if (kind !== 'blob') continue
    files.set(path, file)
    treeBytes += file.size
  }
  if (treeBytes > limits.treeBytes) throw tooLarge('The source', limits.treeBytes)
  return { commit, repo, env, files, links, listBytes: list.length, treeBytes }
}

/** A regular file's bytes; undefined when there is none. UserError `tree-too-large`. */
export async function readFile(
  git: Git,
  { repo, env, files }: Tree,
  path: string,
  { fileBytes }: Pick<SourceLimits, 'fileBytes'>,
): Promise<Buffer | undefined> {
  const file = files.get(path)
  if (!file?.regular) return undefined
  if (file.size > fileBytes) throw tooLarge(path, fileBytes)
  return git.ask(repo, ['cat-file', 'blob', file.id], { env, maxBytes: fileBytes })
}

function entryIn(line: string): File & { path: string; kind: string } {
  const [, mode, kind, id, size, path] = /^(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t(.+)$/s.exec(line) ?? []
  if (!mode || !kind || !id || !path) throw new Error(`git ls-tree said: ${line}`)
  // 100664 is what old gits wrote for 100644.
  return { path, kind, id, size: Number(size) || 0, regular: mode.startsWith('100') }
}

export function tooLarge(what: string, bytes: number): UserError {
  return new UserError('tree-too-large', `${what} is larger than ${Math.floor(bytes / 2 ** 20)} MiB.`)
}
