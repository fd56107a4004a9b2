import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { chmod, link, lstat, mkdir, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'

import tar from 'tar-stream'

import type { Rooms } from '../core/rooms.ts'
import { UserError, unlessDiskFull } from '../errors.ts'
import { plainEnv } from '../settings.ts'
import type { App, Call, Source } from '../types.ts'

/** A folder of the source that the proxy serves itself. A release names it in place of an image: `static:<name>`. */
export type Site = string

const prefix = 'static:'

export function siteIn(image: string): Site | undefined {
  return image.startsWith(prefix) ? image.slice(prefix.length) : undefined
}

export function imageOf(site: Site): string {
  return `${prefix}${site}`
}

type Place = Pick<Rooms, 'settings'>

/** By the app's number, so that it stays where it is when the app gets another name. */
export function sitePath(app: App, site: Site, { settings }: Place): string {
  return join(settings.data, 'static', String(app.id), site)
}

export async function hasSite(app: App, site: Site, rooms: Place): Promise<boolean> {
  return (await lstat(sitePath(app, site, rooms)).catch(() => undefined))?.isDirectory() ?? false
}

/** The whole folder and what an interrupted one left. What is not there is gone already. */
export async function removeSite(app: App, site: Site, rooms: Place): Promise<void> {
  for (const path of [sitePath(app, site, rooms), unfinished(app, site, rooms)])
    await rm(path, { recursive: true, force: true })
  // Only the last one can.
  await rmdir(dirname(sitePath(app, site, rooms))).catch(() => undefined)
}

export async function removeSites(app: App, { settings }: Place): Promise<void> {
  await rm(join(settings.data, 'static', String(app.id)), { recursive: true, force: true })
}

export interface NewSite {
  readonly site: Site
  /** Path in the source; '' for all of it. */
  readonly folder: string
  /** The one before: files that are the same are shared with it, and so keep their time and what browsers have cached. */
  readonly before: Site | undefined
  readonly call: Call
}

/**
 * Writes the folder out beside the others, whole or not at all. Only files and folders: links are left out, and names that begin with a
 * dot but for .well-known. UserErrors `site-too-large`, `no-files`, `disk-full`; Cancelled.
 */
export async function writeSite(app: App, source: Source, how: NewSite, rooms: Place): Promise<void> {
  try {
    await writeWhole(app, source, how, rooms)
  } catch (error) {
    throw unlessDiskFull(error, "Davit's data", rooms.settings.data)
  }
}

async function writeWhole(
  app: App,
  source: Source,
  { site, folder, before, call }: NewSite,
  rooms: Place,
): Promise<void> {
  const target = unfinished(app, site, rooms)
  await openFolders(app, rooms)
  await mkdir(target, { recursive: true })
  await chmod(target, 0o755)
  const from = before && sitePath(app, before, rooms)
  const { files, links } = await extract(source.archive({ signal: call.signal }), { folder, target, from })
  if (files === 0) throw new UserError('no-files', `There is no file to serve in ${folder || 'the source'}.`)
  if (links > 0) call.out.warn(`${links} links are left out: only files are served.`)
  call.out.detail(`${files} files`)
  await finishSite(app, site, rooms)
}

/** One call for all files: after a power cut a live release must not be a folder of empty ones. */
async function finishSite(app: App, site: Site, rooms: Place): Promise<void> {
  const target = unfinished(app, site, rooms)
  await promisify(execFile)('sync', ['--file-system', '--', target], { env: plainEnv() })
  await rename(target, sitePath(app, site, rooms))
}

/** The same files under another app, each shared (a hard link). Whole or not at all. */
export async function copySite(
  from: { app: App; site: Site },
  to: { app: App; site: Site },
  rooms: Place,
): Promise<void> {
  const target = unfinished(to.app, to.site, rooms)
  try {
    await openFolders(to.app, rooms)
    await linkFolder(sitePath(from.app, from.site, rooms), target)
    await finishSite(to.app, to.site, rooms)
  } catch (error) {
    throw unlessDiskFull(error, "Davit's data", rooms.settings.data)
  }
}

async function linkFolder(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const each of await readdir(from, { withFileTypes: true })) {
    if (each.isDirectory()) await linkFolder(join(from, each.name), join(to, each.name))
    else await link(join(from, each.name), join(to, each.name))
  }
}

function unfinished(app: App, site: Site, rooms: Place): string {
  return sitePath(app, `.${site}`, rooms)
}

/** The proxy, another user, comes in to read. */
async function openFolders(app: App, { settings }: Place): Promise<void> {
  for (const path of [join(settings.data, 'static'), join(settings.data, 'static', String(app.id))]) {
    await mkdir(path, { recursive: true })
    await chmod(path, 0o755)
  }
}

// The walk -----------------------------------------------------------------------------------------------

const limits = { bytes: 2 ** 31, entries: 100_000, depth: 40, path: 1024, name: 255 }

interface Extraction {
  readonly folder: string
  readonly target: string
  readonly from: string | undefined
}

async function extract(archive: Readable, how: Extraction): Promise<{ files: number; links: number }> {
  const entries = tar.extract()
  const reading = pipeline(archive, entries)
  const made = new Set([how.target])
  const counts = { files: 0, links: 0, entries: 0, bytes: 0 }
  const writing = async () => {
    for await (const entry of entries) {
      const { name, type, size = 0 } = entry.header
      const path = inside(name, how.folder)
      if (path !== undefined) {
        if (++counts.entries > limits.entries) throw tooLarge(`more than ${limits.entries} files`)
        if (type === 'file') {
          counts.bytes += size
          if (counts.bytes > limits.bytes) throw tooLarge(`more than ${limits.bytes / 2 ** 30} GiB`)
          await writeFile(entry as unknown as Readable, path, { ...how, made })
          counts.files++
        } else if (type !== 'directory') counts.links++
      }
      entry.resume()
    }
  }
  let first: unknown
  const failed = (error: unknown) => {
    first ??= error
    archive.destroy()
  }
  await Promise.all([reading.catch(failed), writing().catch(failed)])
  if (first !== undefined) throw first
  return counts
}

/** The path below the folder, when it is one to be served. Throws UserError `bad-path` for a name that would lead out. */
function inside(name: string, folder: string): string | undefined {
  const parts = name.replace(/\/$/, '').split('/')
  if (
    name.startsWith('/') ||
    name.includes('\0') ||
    parts.some(part => part === '..' || part === '.' || part === '')
  ) {
    throw new UserError('bad-path', `${JSON.stringify(name.slice(0, 100))} is no path within the source.`)
  }
  const root = folder === '' ? [] : folder.split('/')
  if (!root.every((part, at) => parts[at] === part)) return undefined
  const rest = parts.slice(root.length)
  if (rest.length === 0 || rest.some(part => part.startsWith('.') && part !== '.well-known')) return undefined
  const path = rest.join('/')
  if (path === 'static.json') return undefined
  if (rest.length > limits.depth || Buffer.byteLength(path) > limits.path) throw tooLarge('too deep folders')
  if (rest.some(part => Buffer.byteLength(part) > limits.name)) throw tooLarge('too long names')
  return path
}

interface Writing extends Extraction {
  /** Folders that are there already. */
  readonly made: Set<string>
}

async function writeFile(content: Readable, path: string, { target, from, made }: Writing): Promise<void> {
  const file = join(target, path)
  await makeFolder(dirname(file), made)
  // `wx`: a name that comes twice, or as folder and file, is an error rather than a surprise.
  await pipeline(content, createWriteStream(file, { flags: 'wx', mode: 0o644 }))
  await chmod(file, 0o644)
  if (from && (await isSame(file, join(from, path)))) {
    await rm(file)
    await link(join(from, path), file)
  }
}

/** Whatever the umask, the proxy may come in. */
async function makeFolder(path: string, made: Set<string>): Promise<void> {
  if (made.has(path)) return
  await makeFolder(dirname(path), made)
  await mkdir(path)
  await chmod(path, 0o755)
  made.add(path)
}

async function isSame(one: string, other: string): Promise<boolean> {
  const before = await lstat(other).catch(() => undefined)
  if (!before?.isFile() || before.size !== (await stat(one)).size || before.size > 2 ** 26) return false
  return (await readFile(one)).equals(await readFile(other))
}

function tooLarge(what: string): UserError {
  return new UserError(
    'site-too-large',
    `The folder has ${what}.`,
    'Serve large files from elsewhere, or with a Dockerfile.',
  )
}
