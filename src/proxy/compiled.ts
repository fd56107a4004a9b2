import { getCompileCacheDir } from 'node:module'
import { dirname, join, relative } from 'node:path'

import { root } from '../settings.ts'

/** Children find a program compiled where we have found ours; Node's answer is a folder of its own below the one it was told. */
export function compiledEnv(program: string = root): Record<string, string> {
  const cache = getCompileCacheDir()
  if (cache === undefined) return {}
  const folder = dirname(cache)
  const within = relative(root, folder)
  return { NODE_COMPILE_CACHE: within.startsWith('..') ? folder : join(program, within) }
}
