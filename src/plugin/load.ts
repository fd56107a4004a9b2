import { readdirSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import { explain } from './blame.ts'
import type { Plugin } from './define.ts'
import { type Executables, readExecutable } from './executable.ts'
import { checkPlugin } from './sound.ts'
import { asPlugin } from './trail.ts'

/** Where a plugin lies. */
export interface Place {
  /** What it is called here; empty: as it calls itself. */
  readonly name: string
  readonly folder: string
  /** The commit that it was installed at; Davit's own version for what came with it. */
  readonly version: string
  readonly origin: 'davit' | 'installed'
}

/** What a place holds, or why it cannot be used. */
export type Read = { readonly plugin: Plugin } | { readonly reason: string; readonly error: unknown }

/** Every folder in `folder` with a plugin in it, by name. */
export function placesIn(folder: string, version: string): Place[] {
  return readdirSync(folder)
    .filter(name => isFile(join(folder, name, 'index.ts')) || isFile(join(folder, name, 'plugin.json')))
    .sort()
    .map(name => ({ name, folder: join(folder, name), version, origin: 'davit' }))
}

/** Reads plugins. Never throws: what is wrong with a plugin is its own affair. */
export function createReader(executables: Executables): (place: Place) => Promise<Read> {
  mapModules()
  // Node keeps what it imported once, a failure too: each reading of a folder has modules of its own.
  const readings = new Map<string, number>()
  return async place => {
    const reading = (readings.get(place.folder) ?? 0) + 1
    readings.set(place.folder, reading)
    try {
      const isPrograms = isFile(join(place.folder, 'plugin.json'))
      const plugin = isPrograms ? readExecutable(place, executables) : await readModule(place, reading)
      checkPlugin(plugin, isPrograms ? 'plugin.json' : 'what index.ts exports')
      return { plugin }
    } catch (error) {
      return { reason: explain(error, place.folder), error }
    }
  }
}

async function readModule({ name, folder, origin }: Place, reading: number): Promise<Plugin> {
  if (!isFile(join(folder, 'index.ts'))) throw new Error('it has neither an index.ts nor a plugin.json')
  const loading = asPlugin(name, 'load', () => importAnew(folder, reading))
  const { default: given } = await Promise.race([loading, tooLate()])
  if (!given || typeof given !== 'object')
    throw new Error('index.ts has no default export made by definePlugin')
  if (origin === 'davit' && given.name !== name)
    throw new Error(`it calls itself ${given.name}, but its folder is ${name}`)
  return { ...given, name: name || given.name }
}

const loadMs = 10_000

/** A module that waits for something at its top level is not waited for. */
async function tooLate(): Promise<never> {
  await pause(loadMs, undefined, { ref: false })
  throw new Error(`it was not loaded within ${loadMs / 1000} s`)
}

// Modules ------------------------------------------------------------------------------------------------

function importAnew(folder: string, reading: number): Promise<{ default?: Plugin }> {
  const url = pathToFileURL(join(folder, 'index.ts'))
  if (reading > 1) url.searchParams.set(readingKey, String(reading))
  return import(url.href)
}

const readingKey = 'reading'
const interfaces: Readonly<Record<string, string>> = {
  'davit/plugin': pathToFileURL(join(import.meta.dirname, 'index.ts')).href,
  'davit/plugin/testing': pathToFileURL(join(import.meta.dirname, 'testing.ts')).href,
}

/** `davit/plugin` for plugins in any folder: a package's own `exports` does not reach outside it. */
export function mapModules(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const url = interfaces[specifier]
      if (url !== undefined) return { url, shortCircuit: true }
      const found = next(specifier, context)
      return { ...found, url: inReading(found.url, context.parentURL) }
    },
  })
}

/** What a plugin imports of its own files is read anew with it. */
function inReading(url: string, parent: string | undefined): string {
  if (!parent?.includes(`?${readingKey}=`) || !url.startsWith('file:') || url.includes('?')) return url
  const own = new URL('.', parent)
  if (url.includes('/node_modules/') || !url.startsWith(own.href)) return url
  return `${url}${new URL(parent).search}`
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
