import { UserError } from '../errors.ts'
import type { Git } from './git.ts'
import type { Tree } from './tree.ts'

/** What .gitmodules says of a submodule. */
export interface Declared {
  readonly url: string | undefined
  /** `update = none`: git itself leaves its folder empty. */
  readonly skipped: boolean
}

/**
 * Path to what a tree's .gitmodules says of it; undefined when the tree has none. The names of submodules lead nowhere here, so they are
 * not looked at. UserError `bad-gitmodules`.
 */
export async function readGitmodules(
  git: Git,
  { repo, env, files }: Tree,
): Promise<ReadonlyMap<string, Declared> | undefined> {
  const file = files.get('.gitmodules')
  if (!file) return undefined
  if (!file.regular || file.size > mostBytes) throw unreadable()
  const words = ['config', `--blob=${file.id}`, '--no-includes', '--list', '-z']
  const list = await git.ask(repo, words, { env, maxBytes: 2 * mostBytes }).catch((cause: unknown) => {
    throw unreadable(cause)
  })
  const sections = new Map<string, Map<string, string>>()
  for (const entry of list.toString().split('\0').slice(0, -1)) {
    const [, name, key, value = ''] = /^submodule\.([^\n]*)\.([^.\n]+)(?:\n(.*))?$/s.exec(entry) ?? []
    if (name === undefined || key === undefined) continue
    const section = sections.get(name) ?? new Map<string, string>()
    sections.set(name, section.set(key, value))
  }
  return new Map(
    [...sections.values()].map(section => [
      section.get('path') ?? '',
      { url: section.get('url'), skipped: section.get('update') === 'none' },
    ]),
  )
}

const mostBytes = 2 ** 20

/** Where a submodule is fetched from. `parent` is where the repository that names it was; undefined for a push. UserError `submodule-url`. */
export function submoduleUrl(text: string, { path, parent }: { path: string; parent: URL | undefined }): URL {
  if (isRelative(text) && !parent) throw relative(path, text)
  const url = URL.parse(text, isRelative(text) ? asFolder(parent!) : undefined)
  // URL itself would drop line breaks and blanks, and read a backslash as a slash.
  if (/[\s\\\p{Cc}]/u.test(text) || text.length > 2048) throw odd(path, text)
  if (!url || !/^https?:$/.test(url.protocol)) throw notHttps(path, text)
  if (!/^https?:\/\/[^/]/i.test(text) && !isRelative(text)) throw odd(path, text)
  if (url.password || url.search || url.hash || url.pathname === '/') throw odd(path, text)
  // Some hosts put a person's name into the address that they offer; without a password it means nothing.
  url.username = ''
  return url
}

function isRelative(text: string): boolean {
  return text.startsWith('./') || text.startsWith('../')
}

/** As git does: `../lib.git` is beside its parent, not above it. */
function asFolder(url: URL): string {
  return `${url.href.replace(/\/+$/, '')}/`
}

/** A submodule's folder stays within the tree, whatever git let pass. UserError `submodule-path`. */
export function checkPath(path: string, { files }: Tree): void {
  const names = path.split('/')
  const isOdd = names.some(name => /^(?:|\.{1,2}|\.git)$/i.test(name)) || path.includes('\0')
  const above = names.map((_, at) => names.slice(0, at + 1).join('/'))
  if (!isOdd && !above.some(folder => files.has(folder))) return
  throw new UserError(
    'submodule-path',
    `${shown(path)} is no folder for a submodule.`,
    'Give it another path.',
  )
}

// What is wrong -------------------------------------------------------------------------------------------

function unreadable(cause?: unknown): UserError {
  return new UserError(
    'bad-gitmodules',
    'The file .gitmodules cannot be read.',
    'See what is wrong: git config --file .gitmodules --list',
    { cause },
  )
}

function relative(path: string, url: string): UserError {
  return new UserError(
    'submodule-url',
    `The submodule ${shown(path)} is at ${address(url)}, seen from where this repository came from; Davit does not know where that is.`,
    setUrl(path, 'https://…'),
  )
}

function notHttps(path: string, url: string): UserError {
  const [, host, rest] =
    /^(?:(?:git\+)?(?:ssh|git):\/\/)?(?:[\w.-]+@)?([\w-]+(?:\.[\w-]+)+)(?::\d+(?=\/))?[:/]([\w./~-]+)$/.exec(
      url,
    ) ?? []
  return new UserError(
    'submodule-url',
    `The submodule ${shown(path)} is at ${address(url)}; Davit fetches submodules over https only, without signing in.`,
    `If everybody may read it: ${setUrl(path, host && rest ? `https://${host}/${rest}` : 'https://…')}`,
  )
}

function odd(path: string, url: string): UserError {
  return new UserError(
    'submodule-url',
    `The submodule ${shown(path)} is at ${address(url)}, which is not an address as Davit takes it.`,
    'Use https://HOST/PATH, without a password, a query or a fragment.',
  )
}

function setUrl(path: string, url: string): string {
  const word = /^[\w./][\w./-]*$/.test(path) ? path : 'PATH'
  return `git submodule set-url ${word} ${url}, commit .gitmodules, and push again.`
}

/** What may be a password is in no message. */
function address(url: string): string {
  return shown(url).replace(/\/\/[^/@]*:[^/@]*@/, '//***@')
}

/** As it was written, for a terminal: no control characters, not too long. */
export function shown(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain
}
