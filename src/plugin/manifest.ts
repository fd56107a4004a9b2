import { type Argument, any, appName, flag, many, option, optional, text } from './args.ts'
import { isObject, type Json } from './patch.ts'

/** `plugin.json` of an executable plugin, as it was read. */
export interface Manifest {
  readonly name: string
  readonly about: string
  readonly api: number
  readonly needs: readonly string[]
  /** What is said of a hook besides its being there. */
  readonly hooks: Readonly<Record<string, { readonly order?: 'early' | 'late'; readonly timeoutMs?: number }>>
  readonly commands: Readonly<Record<string, ManifestCommand>>
}

export interface ManifestCommand {
  readonly about: string
  readonly args: Readonly<Record<string, Argument<unknown>>>
  /** It only looks: no audit row. */
  readonly reads: boolean
  /** What comes on stdin is passed on, after a first line of JSON. */
  readonly input: boolean
  readonly timeoutMs: number
}

const usualMs = 600_000
const mostMs = 6 * 3_600_000

/** Throws an Error that says where it is wrong. */
export function readManifest(content: string): Manifest {
  const manifest = parsed(content)
  if (!isObject(manifest)) throw new Error('plugin.json is no object')
  const { name, about = '', api, needs = [], hooks = {}, commands = {} } = manifest
  if (typeof name !== 'string') throw new Error('plugin.json has no "name"')
  if (typeof about !== 'string') throw new Error('"about" in plugin.json is no text')
  if (typeof api !== 'number') throw new Error('plugin.json has no "api", which is 1')
  if (!Array.isArray(needs) || !needs.every(each => typeof each === 'string'))
    throw new Error('"needs" in plugin.json is no list of names')
  return {
    name,
    about,
    api,
    needs: needs as readonly string[],
    hooks: table(hooks, 'hooks', (each, at) => ({
      ...place(each.order, at),
      ...(each.timeoutMs === undefined ? {} : { timeoutMs: milliseconds(each.timeoutMs, at) }),
    })),
    commands: table(commands, 'commands', readCommand),
  }
}

function parsed(content: string): Json {
  try {
    return JSON.parse(content) as Json
  } catch (cause) {
    throw new Error(`plugin.json is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function readCommand(given: Readonly<Record<string, Json>>, at: string): ManifestCommand {
  const { about = '', args = [], reads = false, input = false, timeoutMs = usualMs } = given
  if (typeof about !== 'string') throw new Error(`"about" in ${at} is no text`)
  if (!Array.isArray(args)) throw new Error(`"args" in ${at} is no list`)
  return {
    about,
    args: Object.fromEntries(args.map((each, index) => readArgument(each as Json, `args ${index} in ${at}`))),
    reads: reads === true,
    input: input === true,
    timeoutMs: milliseconds(timeoutMs, at),
  }
}

/** `{ "name": "reason", "kind": "text", "about": "…" }` */
function readArgument(given: Json, at: string): readonly [string, Argument<unknown>] {
  if (!isObject(given)) throw new Error(`${at} is no object`)
  const { name, kind = 'text', about = '', optional: may = false, many: more = false, secret = false } = given
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]*$/.test(name))
    throw new Error(`${at} has no "name" of lower-case letters, digits and dashes`)
  if (typeof about !== 'string') throw new Error(`"about" in ${at} is no text`)
  const hide = secret === true ? { hide: () => '****' } : {}
  switch (kind) {
    case 'app':
      return [name, may ? optional(appName()) : appName()]
    case 'text': {
      const word = { ...text(name, about), ...hide }
      return [name, more ? (may ? any(word) : many(word)) : may ? optional(word) : word]
    }
    case 'flag':
      return [name, flag(name, { about })]
    case 'option':
      return [name, { ...option(name, word => word, { about }), ...hide }]
    default:
      throw new Error(`"kind" in ${at} is none of app, text, flag, option`)
  }
}

function table<T>(
  given: Json,
  name: string,
  read: (each: Readonly<Record<string, Json>>, at: string) => T,
): Readonly<Record<string, T>> {
  if (!isObject(given)) throw new Error(`"${name}" in plugin.json is no object`)
  return Object.fromEntries(
    Object.entries(given).map(([key, each]) => {
      if (!isObject(each)) throw new Error(`"${key}" under "${name}" in plugin.json is no object`)
      return [key, read(each, `${key} of plugin.json`)]
    }),
  )
}

function place(order: Json | undefined, at: string): { order?: 'early' | 'late' } {
  if (order === undefined) return {}
  if (order === 'early' || order === 'late') return { order }
  throw new Error(`"order" in ${at} is neither early nor late`)
}

function milliseconds(given: Json, at: string): number {
  if (Number.isInteger(given) && (given as number) > 0 && (given as number) <= mostMs) return given as number
  throw new Error(`"timeoutMs" in ${at} is no number of milliseconds up to six hours`)
}
