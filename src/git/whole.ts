import { UserError } from '../errors.ts'
import type { Part, Parts } from './archive.ts'
import type { Git } from './git.ts'
import { checkPath, readGitmodules, shown, submoduleUrl } from './gitmodules.ts'
import { readTree, type SourceLimits, type Tree, tooLarge } from './tree.ts'

export interface Gathering {
  readonly git: Git
  readonly limits: SourceLimits
  /** The repository that has the commit; undefined to do without it. */
  readonly find: (link: Link) => Promise<string | undefined>
  readonly warn: (text: string) => void
}

export interface Link {
  /** From the top of the whole. */
  readonly path: string
  readonly commit: string
  readonly url: URL
}

/** Levels of submodules within submodules, and how many of them in all. */
const most = { depth: 8, count: 100 }

/**
 * The tree and those of its submodules, theirs too, at the commits that each one names. Throws UserErrors `submodule-url`,
 * `submodule-path`, `submodule-undeclared`, `bad-gitmodules`, `too-many-submodules`, `tree-too-large`, and what `find` throws.
 */
export async function gather(tree: Tree, { git, limits, find, warn }: Gathering): Promise<Parts> {
  const others: Part[] = []
  const taken = { list: tree.listBytes, tree: tree.treeBytes }

  const within = async ({ at, tree }: Part, parent: URL | undefined, depth: number): Promise<void> => {
    const links = await linksOf(tree, { at, parent })
    if (others.length + links.length > most.count) throw tooMany()
    for (const { path, commit, url } of links) {
      if (depth > most.depth) throw tooDeep(path)
      const repo = await find({ path, commit, url })
      if (repo === undefined) continue
      const left = { ...limits, listBytes: limits.listBytes - taken.list }
      const part = { at: `${path}/`, tree: await readTree(git, commit, { repo }, left) }
      taken.list += part.tree.listBytes
      taken.tree += part.tree.treeBytes
      if (taken.tree > limits.treeBytes) throw tooLarge('The source', limits.treeBytes)
      others.push(part)
      await within(part, url, depth + 1)
    }
  }

  const linksOf = async (
    tree: Tree,
    from: { at: string; parent: URL | undefined },
  ): Promise<readonly Link[]> => {
    if (tree.links.size === 0) return []
    const declared = await readGitmodules(git, tree)
    if (!declared) {
      const paths = [...tree.links.keys()].map(path => shown(`${from.at}${path}`)).join(', ')
      warn(
        `Left empty: ${paths}. Another repository is committed there, and no .gitmodules says where it comes from.`,
      )
      return []
    }
    return [...tree.links].flatMap(([within, commit]) => {
      const path = `${from.at}${within}`
      checkPath(within, tree)
      const { url, skipped } = declared.get(within) ?? {}
      if (skipped) return []
      if (!url) throw undeclared(path)
      return [{ path, commit, url: submoduleUrl(url, { path, parent: from.parent }) }]
    })
  }

  const top: Part = { at: '', tree }
  await within(top, undefined, 1)
  return [top, ...others]
}

function undeclared(path: string): UserError {
  return new UserError(
    'submodule-undeclared',
    `Another repository is committed at ${shown(path)}, and .gitmodules does not say where it comes from.`,
    `Make it a submodule: git submodule add https://… PATH; or leave it out: git rm --cached PATH`,
  )
}

function tooDeep(path: string): UserError {
  return new UserError(
    'too-many-submodules',
    `${shown(path)} is a submodule within more than ${most.depth} others.`,
    'Do they contain each other?',
  )
}

function tooMany(): UserError {
  return new UserError('too-many-submodules', `The source has more than ${most.count} submodules.`)
}
