import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import type { Test } from 'tap'
import tar from 'tar-stream'

import { createDriver } from '../../src/plugin/driver.ts'
import { root } from '../../src/settings.ts'
import type { App, AppName, Call, ImageBuilder, Out, Source } from '../../src/types.ts'
import { rostered } from '../plugin/rostered.ts'

export type Files = Readonly<Record<string, string | Buffer>>

export interface Found {
  readonly builder: ImageBuilder | undefined
  /** The folder that a static builder serves. */
  readonly folder: string | undefined
  /** Warnings and other words for the person. */
  readonly said: readonly string[]
}

/** Asks the builders, loaded and ordered as Davit does, about a source made of these files. */
export async function builders(
  t: Test,
): Promise<(files: Files, links?: readonly string[]) => Promise<Found>> {
  const signal = new AbortController().signal
  const { members, refused } = await rostered(t, [join(root, 'plugins')])
  const ours = members().filter(({ plugin }) => plugin.name.startsWith('builder-'))
  const off = refused().filter(({ name }) => name.startsWith('builder-'))
  // Not a test of its own: before a file's first one it would be taken for all of them.
  if (off.length > 0) throw new Error(`not all builders load: ${JSON.stringify(off)}`)
  const { findBuilder } = createDriver(() => ours)
  return async (files, links = []) => {
    const said: string[] = []
    const call = { by: local, out: outTo(said), signal } satisfies Call
    const found = await findBuilder({ app, source: sourceOf(files, links) }, call)
    if (found?.static !== undefined) return { builder: undefined, folder: found.static, said }
    return { builder: found, folder: undefined, said }
  }
}

const local = { person: 'local', key: 'local', role: 'admin' } as const
const app: App = { id: 1, name: 'shop' as AppName, createdAt: new Date(0), retired: false }

function outTo(said: string[]): Out {
  const say = (line: string) => void said.push(line)
  return Object.assign(say, { step: say, headline: say, detail: say, warn: say, flushed: async () => {} })
}

export function sourceOf(files: Files, links: readonly string[] = []): Source {
  return {
    revision: '0'.repeat(40),
    branch: 'main',
    list: async () => [...Object.keys(files), ...links].sort(),
    read: async path => (Object.hasOwn(files, path) ? Buffer.from(files[path]!) : undefined),
    archive: () => archiveOf(files),
  }
}

export function archiveOf(files: Files): Readable {
  const pack = tar.pack()
  for (const [name, content] of Object.entries(files)) pack.entry({ name }, content)
  pack.finalize()
  return Readable.from(pack)
}

/** The files of test/fixtures/apps/NAME. */
export async function fixture(name: string): Promise<Files> {
  const folder = join(root, 'test/fixtures/apps', name)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter(each => each.isFile()).map(each => join(each.parentPath, each.name))
  const read = paths.map(async path => [path.slice(folder.length + 1), await readFile(path)] as const)
  return Object.fromEntries(await Promise.all(read))
}
