import { type Argument, any, appName, flag, many, option, optional, text } from './args.ts'
import { form, forms, isText, lineOfFault, readFields, refuseOtherApi } from './fields.ts'
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
  /** Those of `args` that are apps; the one called app is what it is for. */
  readonly apps: readonly string[]
  /** It only looks: no audit row. */
  readonly reads: boolean
  /** What comes on stdin is passed on, after a first line of JSON. */
  readonly input: boolean
  /** When it has succeeded, its app gets new containers where what they get has changed. */
  readonly redeploys: boolean
  readonly timeoutMs: number
}

const usualMs = 600_000
const mostMs = 6 * 3_600_000

const milliseconds = form<number>(
  'a whole number of milliseconds up to six hours',
  value => Number.isInteger(value) && Number(value) > 0 && Number(value) <= mostMs,
)
const order = form<'early' | 'late'>('"early" or "late"', value => value === 'early' || value === 'late')
const argumentName = form<string>(
  'lower-case letters, digits and dashes, a letter first',
  value => isText(value) && /^[a-z][a-z0-9-]*$/.test(value),
)
const kindName = form<string>(
  'app, text, flag or option',
  value => isText(value) && Object.hasOwn(kinds, value),
)

/** Throws an Error that says where it is wrong, and what may stand there. */
export function readManifest(content: string): Manifest {
  const keys = {
    ...{ name: forms.text, about: forms.text, api: form<number>('the number 1', Number.isInteger) },
    ...{ needs: forms.names, hooks: forms.object, commands: forms.object },
  }
  const whole = parsed(content)
  refuseOtherApi(whole)
  const given = readFields(whole, 'plugin.json', keys, ['name', 'api'])
  const { name, about = '', api, needs = [], hooks = {}, commands = {} } = given
  return {
    ...{ name, about, api, needs },
    hooks: table(hooks, 'hooks', (each, at) => readFields(each, at, { order, timeoutMs: milliseconds })),
    commands: table(commands, 'commands', readCommand),
  }
}

function parsed(content: string): Json {
  try {
    return JSON.parse(content) as Json
  } catch (cause) {
    const what = (cause as Error).message.replace(/ in JSON at position.*$|, \.{0,3}".*$/s, '')
    throw new Error(`plugin.json is no JSON: ${what} (plugin.json:${lineOfFault(content)})`, { cause })
  }
}

function readCommand(given: Json, at: string): ManifestCommand {
  const { flag, list, text } = forms
  const flags = { reads: flag, input: flag, redeploys: flag }
  const said = readFields(given, at, { about: text, args: list, ...flags, timeoutMs: milliseconds })
  const { about = '', args = [], reads = false, input = false, redeploys = false, timeoutMs = usualMs } = said
  const apps = args.flatMap(each => (isObject(each) && each.kind === 'app' ? [String(each.name)] : []))
  if (redeploys && !apps.includes('app'))
    throw new Error(
      `${at} redeploys, but has no app to redeploy: { "name": "app", "kind": "app" } among its args`,
    )
  return { about, args: readArguments(args, at), apps, reads, input, redeploys, timeoutMs }
}

function readArguments(given: readonly Json[], of: string): Readonly<Record<string, Argument<unknown>>> {
  const args = new Map<string, Argument<unknown>>()
  let last: Argument<unknown> | undefined
  for (const [index, each] of given.entries()) {
    const at = `${of}.args[${index}]`
    const [name, argument] = readArgument(each, at)
    if (args.has(name)) throw new Error(`${at} is called ${name}, as one before it is`)
    if (argument.place !== 'flag' && argument.place !== 'option') {
      if (last?.place === 'many' || last?.place === 'any')
        throw new Error(`${at} would never get a word: ${last.label} before it takes all that follow`)
      if (last?.place === 'optional' && argument.place !== 'optional' && argument.place !== 'any')
        throw new Error(`${at} follows an optional word, so it has to be optional too`)
      last = argument
    }
    args.set(name, argument)
  }
  return Object.fromEntries(args)
}

/** `{ "name": "reason", "kind": "text", "about": "…" }` */
function readArgument(given: Json, at: string): readonly [string, Argument<unknown>] {
  const said = isObject(given) ? given.kind : undefined
  const kind = kindName.fits(said) ? said : 'text'
  const flags = kinds[kind]!.flags.map(each => [each, forms.flag] as const)
  const keys = { name: argumentName, kind: kindName, about: forms.text, ...Object.fromEntries(flags) }
  const { name, about = '', ...more } = readFields(given, `${at} (kind ${kind})`, keys, ['name'])
  return [name, kinds[kind]!.make(name, about, more as Said)]
}

interface Said {
  readonly optional?: boolean
  readonly many?: boolean
  readonly secret?: boolean
}

interface Kind {
  /** What may be said of it besides. */
  readonly flags: readonly (keyof Said)[]
  readonly make: (name: string, about: string, said: Said) => Argument<unknown>
}

const kinds: Readonly<Record<string, Kind>> = {
  app: {
    flags: ['optional'],
    make: (_, about, said) => {
      const app = { ...appName(), ...(about ? { about } : {}) }
      return said.optional ? optional(app) : app
    },
  },
  text: {
    flags: ['optional', 'many', 'secret'],
    make: (name, about, said) => {
      const word = hidden(text(name, about), said)
      if (said.many) return said.optional ? any(word) : many(word)
      return said.optional ? optional(word) : word
    },
  },
  flag: { flags: [], make: (name, about) => flag(name, { about }) },
  option: {
    flags: ['secret'],
    make: (name, about, said) =>
      hidden(
        option(name, word => word, { about }),
        said,
      ),
  },
}

function hidden<T>(argument: Argument<T>, { secret }: Said): Argument<T> {
  return secret ? { ...argument, hide: () => '****' } : argument
}

function table<T>(
  given: Readonly<Record<string, Json>>,
  name: string,
  read: (each: Json, at: string) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(
    Object.entries(given).map(([key, each]) => [
      key,
      read(each, `${name}[${JSON.stringify(key)}] of plugin.json`),
    ]),
  )
}
