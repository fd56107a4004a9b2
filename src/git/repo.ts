import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'

import { UserError, unlessDiskFull } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Reach } from '../outbound.ts'
import type { Env } from '../types.ts'
import { withForeign } from './foreign.ts'
import { type Git, GitFailed, openGit } from './git.ts'
import { openModules } from './modules.ts'
import type { Repositories } from './push.ts'
import { receive } from './receive.ts'
import { branchRef } from './refs.ts'
import { serve } from './service.ts'
import { openSource, tidySubmodules } from './submodules.ts'
import { temporary, temporaryPrefix } from './temporary.ts'
import { readTree, type SourceLimits } from './tree.ts'

export interface RepositoriesOptions {
  /** Absolute path of the folder with `<app>.git`. Made when it is not there. */
  readonly folder: string
  /** Absolute path of the folder with pre-receive. */
  readonly hooks: string
  /** What git's processes get: plainEnv(). */
  readonly env: Env
  readonly log: Logger
  /** Where submodules may be fetched from. */
  readonly reach: Reach
  readonly limits?: Partial<Limits>
}

export interface Limits extends SourceLimits {
  /** Bytes of the largest push that is taken. */
  readonly pushBytes: number
  /** How long a submodule may take to come. */
  readonly fetchMs: number
}

const usual: Limits = {
  pushBytes: 2 ** 31,
  listBytes: 2 ** 25,
  treeBytes: 2 ** 33,
  fileBytes: 2 ** 24,
  fetchMs: 600_000,
}

export function openRepositories({
  folder,
  hooks,
  env,
  log,
  reach,
  limits,
}: RepositoriesOptions): Repositories {
  if (!isAbsolute(folder) || !isAbsolute(hooks))
    throw new Error('Folders of git are named by absolute paths.')
  const bounds = { ...usual, ...limits }
  const git = openGit({ hooks, env, maxPushBytes: bounds.pushBytes })
  const make = (repo: string) => ensure(git, folder, repo)
  const modules = openModules({ git, reach, fetchMs: bounds.fetchMs, make })
  /** Under way; an app may get another name meanwhile. */
  const pushes = new Set<{ app: string }>()
  const isBusy = (app: string) => [...pushes].some(each => each.app === app)
  const repoOf = (app: string) => join(folder, `${plainName(app)}.git`)
  const plainly =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> =>
      work(...args).catch(error => Promise.reject(unlessDiskFull(error, "Davit's data", folder)))
  openFolder(folder, log)

  return {
    ensure: plainly(app => make(repoOf(app))),
    async remove(app) {
      const gone = temporary(folder)
      await rename(repoOf(app), gone).catch(unlessMissing)
      await rm(gone, { recursive: true, force: true })
    },
    async rename(app, to) {
      await rename(repoOf(app), repoOf(to)).catch(unlessMissing)
      for (const push of pushes) if (push.app === app) push.app = to
    },
    copy: plainly(async (app, to, { signal }) => {
      await make(repoOf(to))
      await copyRefs(git, { from: repoOf(app), to: repoOf(to) }, signal)
    }),
    receive: plainly(async (app, streams, accept) => {
      const push = { app }
      pushes.add(push)
      try {
        return await receive(git, repoOf(app), streams, accept)
      } finally {
        pushes.delete(push)
        // git takes its quarantine away itself unless it was killed.
        if (!isBusy(push.app)) dropQuarantines(repoOf(push.app), log)
      }
    }),
    serve: (app, service, streams) => serve(git, repoOf(app), service, streams),
    async source(app, revision, { branch, quarantine: given }) {
      const repo = repoOf(app)
      const quarantine = given && quarantineIn(given)
      const commit = await commitOf(git, repo, revision, quarantine)
      const tree = await readTree(git, commit, { repo, env: quarantine }, bounds)
      return openSource({ git, modules, limits: bounds }, tree, branch)
    },
    foreign: plainly((from, use) =>
      withForeign({ git, reach, modules, make, limits: bounds, folder }, from, use),
    ),
    tip: (app, branch) => tip(git, repoOf(app), branch),
    setHead: plainly(async (app, branch) => {
      const repo = repoOf(app)
      await git.ask(repo, ['check-ref-format', branchRef(branch)]).catch(cause => {
        throw new UserError('bad-branch', `${branch} is not a name for a branch.`, undefined, { cause })
      })
      await git.ask(repo, ['symbolic-ref', 'HEAD', branchRef(branch)])
    }),
    async gc(app, { signal }) {
      const repo = repoOf(app)
      await git.ask(repo, ['gc', '--quiet'], { signal })
      await tidySubmodules({ git, modules, limits: bounds }, repo, { signal, isBusy: () => isBusy(app) })
    },
  }
}

async function ensure(git: Git, folder: string, repo: string): Promise<void> {
  const config = configText(git.guards)
  const found = await readFile(join(repo, 'config'), 'utf8').catch(unlessMissing)
  if (found === config) return
  if (found !== undefined) return replace(join(repo, 'config'), config)
  const making = temporary(folder)
  try {
    await mkdir(making, { mode: 0o700 })
    await git.ask(making, ['init', '--quiet', '--bare', '--template=', '--initial-branch=main', '.'])
    await writeFile(join(making, 'HEAD'), 'ref: refs/heads/main\n', { flush: true })
    await writeFile(join(making, 'config'), config, { flush: true })
    await rename(making, repo).catch(unlessTaken)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** From one of our own repositories: no name of a person's leads there. */
async function copyRefs(
  git: Git,
  { from, to }: { from: string; to: string },
  signal: AbortSignal,
): Promise<void> {
  const head = (await git.ask(from, ['symbolic-ref', 'HEAD'], { signal })).toString().trim()
  const refs = ['refs/heads/*', 'refs/tags/*'].map(each => `+${each}:${each}`)
  const words = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--update-shallow']
  const config = { 'protocol.file.allow': 'always' }
  await git.ask(to, [...words, '--end-of-options', from, ...refs], { config, signal })
  await git.ask(to, ['symbolic-ref', 'HEAD', head], { signal })
}

/** Of what is handed in, the places of objects alone reach git. */
function quarantineIn(env: Env): Env {
  const names = ['GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_QUARANTINE_PATH']
  return Object.fromEntries(Object.entries(env).filter(([name]) => names.includes(name)))
}

async function commitOf(git: Git, repo: string, revision: string, quarantine: Env | undefined) {
  const isId = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(revision)
  const id = isId ? revision : await tip(git, repo, revision)
  if (id) {
    const words = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${id}^{commit}`]
    const answer = await git.ask(repo, words, { env: quarantine }).catch(unlessUnknown)
    if (answer) return answer.toString().trim()
  }
  throw new UserError('no-commit', `${revision} is not a commit or a branch that was pushed.`)
}

/** Patterns in `branch` match nothing here: git lists what begins with it, and only the very name counts. */
async function tip(git: Git, repo: string, branch: string): Promise<string | undefined> {
  const ref = branchRef(branch)
  const words = ['for-each-ref', '--format=%(objectname) %(refname)', '--end-of-options', ref]
  const lines = (await git.ask(repo, words)).toString().split('\n')
  return lines.find(line => line.endsWith(` ${ref}`))?.split(' ')[0]
}

/** Our own configuration and nothing else: git's format, each value in quotes (git-config, "Syntax"). */
function configText(guards: Env): string {
  const entries = Object.entries({ 'core.repositoryFormatVersion': '0', 'core.bare': 'true', ...guards })
  return entries
    .map(([key, value]) => {
      const [, section, middle, name] = /^([^.]+)(?:\.(.+))?\.([^.]+)$/.exec(key)!
      const head = middle === undefined ? section : `${section} "${middle}"`
      return `[${head}]\n\t${name} = "${value.replace(/["\\]/g, '\\$&')}"\n`
    })
    .join('')
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(next, text, { flush: true })
  await rename(next, path)
}

/** Takes away what an interrupted daemon left: half-made and half-removed repositories, pushes that nobody decides any more. */
function openFolder(folder: string, log: Logger): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(folder)) {
    if (name.startsWith(temporaryPrefix)) rmSync(join(folder, name), { recursive: true, force: true })
    else if (name.endsWith('.git')) dropQuarantines(join(folder, name), log)
  }
}

function dropQuarantines(repo: string, log: Logger): void {
  const objects = join(repo, 'objects')
  for (const name of namesIn(objects)) {
    if (!/^(?:tmp_objdir-)?incoming-/.test(name)) continue
    log.warn({ repo, name }, 'removed what an interrupted push left')
    rmSync(join(objects, name), { recursive: true, force: true })
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    unlessMissing(error)
    return []
  }
}

/** Names come from the store, which checked them; a path is no place to find out that one did not. */
function plainName(app: string): string {
  if (/^[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*$/.test(app) && app.length <= 63) return app
  throw new Error(`${JSON.stringify(app)} is not the name of a repository.`)
}

function unlessMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

function unlessTaken(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
}

function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof GitFailed)) throw error
}
