import { type Source, UserError } from 'davit/plugin'

import type { Manifest } from './manifest.ts'

/** How the app is started: as the Procfile says, by a line that was found, or nobody knows. */
export type Start =
  | { readonly kind: 'procfile' }
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'none' }

const programs = [
  'server.js',
  'server.mjs',
  'server.cjs',
  'server.ts',
  'index.js',
  'index.mjs',
  'index.ts',
  'app.js',
]

export async function entryOf(source: Source, manifest: Manifest | undefined): Promise<Start> {
  if (await source.read('Procfile')) return { kind: 'procfile' }
  const line = (manifest && startLine(manifest)) ?? (await programLine(source, manifest))
  return line === undefined ? { kind: 'none' } : { kind: 'line', line }
}

/**
 * The start script's own line, without npm between it and its signals; what npm does around it is left to npm. The image has
 * node_modules/.bin on its PATH.
 */
function startLine({ scripts }: Manifest): string | undefined {
  const { start, prestart, poststart } = scripts
  if (start === undefined) return undefined
  const plain = prestart === undefined && poststart === undefined && !/npm_|[\n\r]/.test(start)
  return plain && start.trim() !== '' ? start.trim() : 'npm start'
}

/** npm itself starts server.js when there is no start script. */
async function programLine(source: Source, manifest: Manifest | undefined): Promise<string | undefined> {
  const paths = new Set(await source.list())
  const main = manifest?.main?.replace(/^\.\//, '')
  const named = main === undefined ? [] : [main, `${main}.js`, `${main}/index.js`]
  const [server, ...others] = programs
  const found = [server!, ...named, ...others].find(
    path => paths.has(path) && /^\w[\w./-]*\.[cm]?[jt]s$/.test(path),
  )
  return found && `node ${found}`
}

export function noEntry(manifest: Manifest | undefined): UserError {
  const site = manifest?.scripts.build !== undefined
  return new UserError(
    'no-entry',
    'This is a Node app, but nothing says how to start it.',
    site
      ? 'Add a "start" script to package.json that answers on $PORT. If the build makes plain files: commit them with a static.json such as {"root": "dist"}.'
      : 'Add a "start" script to package.json, such as: "start": "node server.js"',
  )
}
