import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import dockerignore from '@balena/dockerignore'
import tar from 'tar-stream'

import type { Source } from '../types.ts'

/**
 * The build's context as a tar stream: the source's archive without what .dockerignore names, then the generated files, which win over
 * files of the same path. Never buffered whole. An error in the archive ends the stream with that error.
 */
export function buildContext(source: Source, { files, ignore, signal }: ContextOptions): Readable {
  const ignored = ignore ? dockerignore.default().add(ignore) : undefined
  const keep = (path: string) => !Object.hasOwn(files, path) && !(ignored?.ignores(path) ?? false)
  const packed = tar.pack()
  const work = async () => {
    await copy(source.archive({ signal }), packed, keep)
    for (const [name, content] of Object.entries(files)) packed.entry({ name }, content)
    packed.finalize()
  }
  work().catch((error: unknown) => packed.destroy(error instanceof Error ? error : new Error(String(error))))
  return packed as unknown as Readable
}

export interface ContextOptions {
  /** Path to content. */
  readonly files: Readonly<Record<string, string>>
  /** The text of .dockerignore, when there is one. */
  readonly ignore: string | undefined
  readonly signal: AbortSignal
}

async function copy(archive: Readable, packed: tar.Pack, keep: (path: string) => boolean): Promise<void> {
  const extract = tar.extract()
  const reading = pipeline(archive, extract)
  const moving = async () => {
    for await (const entry of extract) {
      const path = entry.header.name.replace(/\/$/, '')
      if (entry.header.type === 'directory' || keep(path))
        await pipeline(entry, packed.entry(entry.header), { end: true })
      else entry.resume()
    }
  }
  await Promise.all([reading, moving()])
}
