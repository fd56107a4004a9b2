import { chmod, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import tar from 'tar-stream'

import { UserError } from '../errors.ts'

export interface Unpacking {
  /** There, and empty. */
  readonly folder: string
  readonly signal: AbortSignal
  /** What is neither a file nor a folder: `refuse` the archive, or `skip` that part. */
  readonly others: 'refuse' | 'skip'
  /** Each file is on the disk before the next one. */
  readonly lasting?: boolean
  readonly most: { readonly bytes: number; readonly entries: number }
}

/** What every archive may be that somebody hands in. */
export const usualArchive = { bytes: 256 << 20, entries: 20_000 }

const deepest = 40

/**
 * Writes a tar's files and folders into a folder, and nothing outside it. Files are readable by all, and executable where they were; owners,
 * times and other modes are not taken over. UserErrors `bad-archive`, `archive-too-large`.
 */
export async function unpack(
  archive: Readable,
  { folder, signal, others, most, lasting }: Unpacking,
): Promise<void> {
  const extract = tar.extract()
  const left = { ...most }
  const writing = async () => {
    for await (const entry of extract) {
      const { name, type, size = 0, mode = 0 } = entry.header
      left.entries -= 1
      left.bytes -= size
      if (left.entries < 0) throw tooLarge(`more than ${most.entries} files`)
      if (left.bytes < 0) throw tooLarge(`more than ${most.bytes >> 20} MB`)
      const path = join(folder, ...placeOf(name))
      if (type === 'directory') await mkdir(path, { recursive: true, mode: 0o755 })
      else if (type === 'file' || type === 'contiguous-file') {
        await writeFile(path, entry as unknown as Readable, {
          mode: mode & 0o111 ? 0o755 : 0o644,
          lasting: lasting === true,
        })
        continue
      } else if (others === 'refuse')
        throw bad(`${shown(name)} is a ${type ?? 'thing'}, not a file or a folder`)
      entry.resume()
    }
  }
  try {
    await Promise.all([pipeline(archive, extract, { signal }), writing()])
  } catch (error) {
    if (/^(?:Invalid tar header|Unexpected end|unexpected end)/i.test((error as Error).message))
      throw bad('it is no tar, or cut off')
    throw error
  }
}

/** The parts of a path within the folder. */
function placeOf(name: string): readonly string[] {
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  if (name.startsWith('/')) throw bad(`${shown(name)} is an absolute path`)
  if (parts.includes('..')) throw bad(`${shown(name)} leads out of the archive`)
  if (name.includes('\0') || name.includes('\\')) throw bad(`${shown(name)} is no name for a file`)
  if (parts.length > deepest) throw bad(`${shown(name)} lies too deep`)
  return parts
}

/** A name that comes twice is no way to write through what came first: nothing is followed, since there are no links. */
async function writeFile(
  path: string,
  content: Readable,
  { mode, lasting }: { mode: number; lasting: boolean },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const file = await open(path, 'w', mode)
  try {
    for await (const piece of content) await file.writeFile(piece as Buffer)
    if (lasting) await file.datasync()
  } finally {
    await file.close()
  }
  await chmod(path, mode)
}

function bad(what: string): UserError {
  return new UserError('bad-archive', `The archive cannot be taken: ${what}.`)
}

function tooLarge(what: string): UserError {
  return new UserError('archive-too-large', `The archive has ${what}.`)
}

function shown(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name)
}
