import { constants } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'

/** A file of JSON that is replaced as a whole. */

export const version = 1

export interface Content {
  readonly facts?: object
  /** Written bit by bit. */
  readonly list?: readonly [name: string, Iterable<unknown>]
}

/** For what else there is to do in between. */
const sliceMs = 2

/** Undefined where there is none. What cannot be read is set aside, and answers `broken`. */
export async function readWhole<T>(
  path: string,
  read: (file: Readonly<Record<string, unknown>>) => T,
  log: Logger,
): Promise<T | 'broken' | undefined> {
  try {
    const file = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    if (file?.version !== version) throw new Error('its version is another')
    return read(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    await setAside(path, messageOf(error), log)
    return 'broken'
  }
}

export async function setAside(path: string, why: string, log: Logger): Promise<void> {
  const aside = `${path}.broken-${Date.now()}`
  log.error(`${path} cannot be read (${why}); it is kept as ${aside}`)
  await rename(path, aside).catch(failed => log.error(`it cannot be set aside: ${messageOf(failed)}`))
}

/** After a power cut there is the old file or the new one, whole. */
export async function replaceWhole(path: string, content: Content): Promise<void> {
  const next = `${path}.next`
  const file = await openOwn(next, constants.O_TRUNC)
  try {
    await file.writeFile(piecesOf(content))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
  await syncFolder(dirname(path))
}

/** To write to, made where there is none; nobody else's to read. */
export async function openOwn(path: string, flags: number) {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | flags, 0o600)
  await file.chmod(0o600).catch(async error => {
    await file.close()
    throw error
  })
  return file
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  await folder.sync().finally(() => folder.close())
}

/** Each is written before the next is made, so that ten thousand routes hold nobody up. */
function* piecesOf({ facts, list }: Content): Generator<string> {
  const head = JSON.stringify({ version, ...facts }).slice(0, -1)
  if (!list) return yield `${head}}`
  let piece = `${head},${JSON.stringify(list[0])}:[`
  let between = ''
  let since = performance.now()
  for (const each of list[1]) {
    piece += between + JSON.stringify(each)
    between = ','
    if (performance.now() - since < sliceMs) continue
    yield piece
    piece = ''
    since = performance.now()
  }
  yield `${piece}]}`
}
