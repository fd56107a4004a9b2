import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Core } from './core.ts'
import type { Kv, Plugin } from './define.ts'
import type { Member } from './driver.ts'
import { hookNames } from './hooks.ts'

/** A plugin that is off, and why. */
export interface Refused {
  readonly name: string
  readonly reason: string
}

export interface Loaded {
  /** In the order of their needs, then by name. */
  readonly members: readonly Member[]
  readonly refused: readonly Refused[]
}

export interface LoadOptions {
  /** Folders that hold one folder per plugin, each with an index.ts. */
  readonly folders: readonly string[]
  /** Where plugins' own folders are made. */
  readonly data: string
  readonly core: Core
  /** Names of the commands that Davit has itself. */
  readonly commands: readonly string[]
  readonly kv: (plugin: string) => Kv
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Finds, checks and orders plugins. One that cannot be loaded is refused by name and reason; the others load. */
export async function loadPlugins(options: LoadOptions): Promise<Loaded> {
  mapDavitPlugin()
  const read = await Promise.all(options.folders.flatMap(pluginFolders).map(readPlugin))
  const found = read.flatMap(each => ('plugin' in each ? [each.plugin] : []))
  const [first, twice] = firstOfEachName(found)
  const { ordered, refused } = order(first)
  const { first: fitting, refused: clashing } = firstOfEachCommand(ordered, options.commands)
  const { ordered: members, refused: alone } = order(fitting)
  return {
    members: members.map(plugin => ({ plugin, context: contextOf(plugin, options) })),
    refused: [
      ...read.flatMap(each => ('reason' in each ? [each] : [])),
      ...twice,
      ...refused,
      ...clashing,
      ...alone,
    ],
  }
}

/** `davit/plugin` for plugins in any folder: a package's own `exports` does not reach outside it. */
export function mapDavitPlugin(): void {
  const index = pathToFileURL(join(import.meta.dirname, 'index.ts')).href
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'davit/plugin' ? { url: index, shortCircuit: true } : next(specifier, context),
  })
}

function pluginFolders(folder: string): string[] {
  return readdirSync(folder)
    .map(name => join(folder, name))
    .filter(path => statSync(join(path, 'index.ts'), { throwIfNoEntry: false })?.isFile())
    .sort()
}

/** A module that waits for something at its top level is not waited for. */
async function tooLate(): Promise<never> {
  await pause(loadMs, undefined, { ref: false })
  throw new Error(`it was not loaded within ${loadMs / 1000} s`)
}

const loadMs = 10_000

async function readPlugin(folder: string): Promise<{ plugin: Plugin } | Refused> {
  const name = folder.split('/').at(-1)!
  try {
    const loading = import(pathToFileURL(join(folder, 'index.ts')).href) as Promise<{ default?: Plugin }>
    const { default: plugin } = await Promise.race([loading, tooLate()])
    if (!plugin || typeof plugin !== 'object')
      return { name, reason: 'index.ts has no default export made by definePlugin' }
    if (plugin.name !== name)
      return { name, reason: `it calls itself ${plugin.name}, but its folder is ${name}` }
    if (plugin.api !== 1) return { name, reason: `it is for api ${plugin.api}; this Davit speaks api 1` }
    const deaf = unheard(plugin)
    return deaf === undefined ? { plugin } : { name, reason: deaf }
  } catch (error) {
    return { name, reason: messageOf(error) }
  }
}

/** Why a handler would never be called, as the types would have told its author. */
function unheard({ hooks = {} }: Plugin): string | undefined {
  for (const [name, given] of Object.entries(hooks)) {
    if (!hookNames.some(each => each === name)) return `it listens to ${name}, which is no hook`
    const { order = 'early', handle } = typeof given === 'function' ? { handle: given } : (given ?? {})
    if (given && (typeof handle !== 'function' || !['early', 'late'].includes(order)))
      return `its ${name} is no handler, or has an order that is neither early nor late`
  }
  return undefined
}

function firstOfEachName(plugins: readonly Plugin[]): [Plugin[], Refused[]] {
  const first = new Map(plugins.toReversed().map(plugin => [plugin.name, plugin]))
  const [kept, twice] = [true, false].map(is =>
    plugins.filter(each => (first.get(each.name) === each) === is),
  )
  return [kept!, twice!.map(({ name }) => ({ name, reason: 'there is another plugin of that name' }))]
}

/** Needs first, then names. A missing need or a cycle refuses the plugin, naming both sides. */
export function order(plugins: readonly Plugin[]): { ordered: Plugin[]; refused: Refused[] } {
  const byName = new Map(plugins.map(plugin => [plugin.name, plugin]))
  const ordered: Plugin[] = []
  const refused = new Map<string, Refused>()
  const visit = (plugin: Plugin, path: readonly string[]): boolean => {
    if (ordered.includes(plugin)) return true
    if (refused.has(plugin.name)) return false
    const refuse = (reason: string) => !refused.set(plugin.name, { name: plugin.name, reason })
    if (path.includes(plugin.name))
      return refuse(`it needs itself: ${[...path, plugin.name].join(' needs ')}`)
    for (const need of [...(plugin.needs ?? [])].sort()) {
      const needed = byName.get(need)
      if (!needed) return refuse(`it needs ${need}, which is not there`)
      if (!visit(needed, [...path, plugin.name]))
        return refused.has(plugin.name) ? false : refuse(`it needs ${need}, which is off`)
    }
    ordered.push(plugin)
    return true
  }
  for (const plugin of plugins.toSorted((a, b) => (a.name < b.name ? -1 : 1))) visit(plugin, [])
  return { ordered, refused: [...refused.values()] }
}

function contextOf(plugin: Plugin, { data, core, kv, log, signal }: LoadOptions): Member['context'] {
  const dir = join(data, plugin.name)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return { core, kv: kv(plugin.name), dir, log: log.child({ plugin: plugin.name }), signal }
}

/** A command that Davit or an earlier plugin brings already: the later plugin is off, and says whose it is. */
function firstOfEachCommand(
  plugins: readonly Plugin[],
  own: readonly string[],
): { first: Plugin[]; refused: Refused[] } {
  const owners = new Map(own.map(name => [name, 'Davit itself']))
  const first: Plugin[] = []
  const refused: Refused[] = []
  for (const plugin of plugins) {
    const names = (plugin.commands ?? []).map(each => each.name)
    const taken = names.find((name, at) => owners.has(name) || names.indexOf(name) !== at)
    if (taken !== undefined) {
      refused.push({ name: plugin.name, reason: `${owners.get(taken) ?? 'it'} brings ${taken} already` })
      continue
    }
    for (const name of names) owners.set(name, plugin.name)
    first.push(plugin)
  }
  return { first, refused }
}
