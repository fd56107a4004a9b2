import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { extract } from 'tar-stream'

import { messageOf, UserError } from '../errors.ts'

export interface ParcelFile {
  /** As it stands in the archive. */
  readonly path: string
  readonly content: Buffer
}

export interface ParcelLimits {
  /** Of the whole archive. */
  readonly bytes: number
  readonly entries: number
  /** Of each file that is wanted. */
  readonly fileBytes: number
}

/**
 * Reads a small tar archive that somebody sent, and answers the plain files that are wanted; nothing is written anywhere. Links, devices and
 * whatever else a tar can hold are passed over. UserErrors `bad-archive`, `archive-too-large`.
 */
export async function openParcel(
  source: Readable,
  wanted: (path: string) => boolean,
  { limits, signal }: { limits: ParcelLimits; signal: AbortSignal },
): Promise<readonly ParcelFile[]> {
  const files: ParcelFile[] = []
  let entries = 0
  const unpack = extract()
  unpack.on('entry', ({ name, type, size = 0 }, stream, next) => {
    stream.on('error', next)
    if (++entries > limits.entries) return next(tooLarge())
    if (!(type === 'file' || type === 'contiguous-file') || !wanted(name)) {
      stream.once('end', next)
      return void stream.resume()
    }
    if (size > limits.fileBytes) return next(tooLarge(name))
    const chunks: Buffer[] = []
    stream.on('data', chunk => chunks.push(chunk as Buffer))
    stream.once('end', () => {
      files.push({ path: name, content: Buffer.concat(chunks) })
      next()
    })
  })
  try {
    await pipeline(source, bounded(limits.bytes), unpack, { signal })
  } catch (error) {
    if (error instanceof UserError || signal.aborted) throw error
    throw new UserError('bad-archive', `What came is no tar archive: ${messageOf(error)}.`, undefined, {
      cause: error,
    })
  }
  if (entries === 0)
    throw new UserError('bad-archive', 'What came is no tar archive, or there is nothing in it.')
  return files
}

function bounded(most: number) {
  return async function* (source: AsyncIterable<Buffer>) {
    let bytes = 0
    for await (const chunk of source) {
      bytes += chunk.length
      if (bytes > most) throw tooLarge()
      yield chunk
    }
  }
}

function tooLarge(path?: string): UserError {
  return new UserError('archive-too-large', path ? `${path} is too large.` : 'The archive is too large.')
}
