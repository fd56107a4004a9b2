import { globSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { UserError } from './errors.ts'
import { mapModules } from './plugin/load.ts'
import { root } from './settings.ts'

/**
 * `davit compile`: compiles the whole program into NODE_COMPILE_CACHE, for the user who asks. A process that finds itself compiled there
 * starts sooner, and is without the compiler for TypeScript, which would hold some 20 MB of it for good.
 */
export async function compile(): Promise<void> {
  if (getCompileCacheDir() === undefined) {
    throw new UserError('no-cache', 'There is no folder to keep the compiled program in.', undefined)
  }
  mapModules()
  for (const file of globSync('{src,plugins}/**/*.ts', { cwd: root })) {
    await import(pathToFileURL(join(root, file)).href)
  }
  flushCompileCache()
}
