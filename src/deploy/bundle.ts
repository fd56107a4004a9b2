import type { Readable } from 'node:stream'

import tar from 'tar-stream'

import type { Env } from '../types.ts'

/** A tar with a file for each value, under its key. */
export function bundleOf(env: Env): Readable {
  const packed = tar.pack()
  const files = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, value] of files) packed.entry({ name, mode: 0o600 }, value)
  packed.finalize()
  return packed as unknown as Readable
}
