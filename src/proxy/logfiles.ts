import { readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'

/** The files that workers write lines to, kept within bounds by the one process that moves them. */
export interface LogFiles {
  /** So many bytes have gone into these files. */
  wrote(files: Readonly<Record<string, number>>): void
  /** The folder of one app becomes another's. */
  rename(was: string, app: string): Promise<void>
  remove(app: string): Promise<void>
  /** Removes what belongs to no app any more, and the oldest files while all are too much together. */
  tidy(apps: ReadonlySet<string>): Promise<void>
  /** Settles when all of the above is done. */
  idle(): Promise<void>
}

export interface LogBounds {
  /** A file of more bytes is rotated; one older one is kept beside it. */
  readonly fileBytes: number
  /** Of all files together. */
  readonly allBytes: number
  /** A folder without an app goes after this long without a line: its app may just be getting another name. */
  readonly orphanMs: number
}

export const usualBounds: LogBounds = {
  fileBytes: 10 * 1024 * 1024,
  allBytes: 1024 * 1024 * 1024,
  orphanMs: 24 * 3600 * 1000,
}

export function openLogFiles(
  folder: string,
  { log, bounds = usualBounds }: { log: Logger; bounds?: LogBounds },
): LogFiles {
  const sizes = new Map<string, number>()
  let all = 0
  let last: Promise<void> = Promise.resolve()

  /** One after another. What cannot be done now is no reason to stop: there is a next time. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    last = last.then(work).catch(error => log.warn(`log files: ${messageOf(error)}`))
    return last
  }

  const grow = async (path: string, bytes: number) => {
    all += bytes
    const known = sizes.get(path)
    const size = known === undefined ? await sizeOf(join(folder, path)) : known + bytes
    sizes.set(path, size)
    if (size < bounds.fileBytes) return
    sizes.delete(path)
    all -= await sizeOf(join(folder, `${path}.1`))
    await rename(join(folder, path), join(folder, `${path}.1`)).catch(unlessMissing)
  }

  const forget = (app: string) => {
    for (const path of sizes.keys()) if (path.startsWith(`${app}/`)) sizes.delete(path)
  }

  const shrink = async () => {
    const files = await filesIn(folder)
    all = files.reduce((sum, { size }) => sum + size, 0)
    const oldest = files.toSorted((a, b) => Number(a.current) - Number(b.current) || a.at - b.at)
    for (const { path, size } of oldest) {
      if (all <= bounds.allBytes) return
      await rm(join(folder, path), { force: true })
      sizes.delete(path)
      all -= size
    }
  }

  return {
    wrote: files =>
      void inTurn(async () => {
        for (const [path, bytes] of Object.entries(files)) await grow(path, bytes)
        if (all > bounds.allBytes) await shrink()
      }),
    rename: (was, app) =>
      inTurn(async () => {
        forget(was)
        forget(app)
        await move(join(folder, was), join(folder, app))
      }),
    remove: app =>
      inTurn(async () => {
        forget(app)
        await rm(join(folder, app), { recursive: true, force: true })
      }),
    tidy: apps =>
      inTurn(async () => {
        // No apps at all: likelier the table is lost than all of them are gone.
        for (const name of apps.size === 0 ? [] : await namesIn(folder)) {
          if (name.startsWith('_') || apps.has(name)) continue
          if (await isOlder(join(folder, name), Date.now() - bounds.orphanMs))
            await rm(join(folder, name), { recursive: true, force: true })
        }
        await shrink()
      }),
    idle: () => last,
  }
}

/** Where both are there, a worker was quicker than we: what it has begun is the newer part. */
async function move(from: string, to: string): Promise<void> {
  const moved = await rename(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return true
      if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false
      throw error
    },
  )
  if (moved) return
  // What was rotated out of a file is older than the file: it goes first, and gives way.
  for (const name of (await namesIn(from)).sort().reverse()) {
    const taken = (await sizeOf(join(to, name))) > 0
    await rename(join(from, name), join(to, taken && !name.endsWith('.1') ? `${name}.1` : name))
  }
  await rmdir(from)
}

interface File {
  readonly path: string
  readonly size: number
  /** Last written, ms since 1970. */
  readonly at: number
  /** Lines still come to it. */
  readonly current: boolean
}

async function filesIn(folder: string): Promise<File[]> {
  const files: File[] = []
  for (const app of await namesIn(folder)) {
    for (const name of await namesIn(join(folder, app))) {
      const path = join(app, name)
      const found = await stat(join(folder, path)).catch(unlessMissing)
      if (found?.isFile())
        files.push({ path, size: found.size, at: found.mtimeMs, current: !name.endsWith('.1') })
    }
  }
  return files
}

async function isOlder(folder: string, than: number): Promise<boolean> {
  for (const path of [folder, ...(await namesIn(folder)).map(name => join(folder, name))]) {
    const found = await stat(path).catch(unlessMissing)
    if (found && found.mtimeMs > than) return false
  }
  return true
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(unlessMissing)) ?? []
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(unlessMissing))?.size ?? 0
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
  return undefined
}
