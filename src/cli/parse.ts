import { UserError } from '../errors.ts'
import type { Argument, Arguments } from '../plugin/args.ts'
import type { Command } from '../plugin/command.ts'
import { usageLine } from './help.ts'

/** What stands before the command, for all commands alike. */
export interface Request {
  readonly name: string
  readonly words: readonly string[]
  readonly quiet: boolean
  readonly force: boolean
  readonly trace: boolean
}

/** Global flags, then the command's name; `--app APP` becomes its first word. */
export function readRequest(line: readonly string[]): Request {
  const words = [...line]
  let app: string | undefined
  const flags = { quiet: false, force: false, trace: false }
  while (words[0]?.startsWith('-')) {
    const word = words.shift()!
    if (word === '--') continue
    if (word === '--version' || word === '-v') return { ...flags, name: 'version', words: [] }
    if (word === '--help' || word === '-h') return { ...flags, name: 'help', words }
    if (word === '--app') {
      app = words.shift()
      if (app === undefined || app.startsWith('-')) throw new UserError('bad-flag', '--app needs a value.')
    } else if (word.startsWith('--app=')) app = word.slice('--app='.length)
    else if (word === '--quiet' || word === '--force' || word === '--trace')
      flags[word.slice(2) as keyof typeof flags] = true
    else
      throw new UserError(
        'bad-flag',
        `${word} is no global flag.`,
        'Global flags: --app APP, --force, --quiet, --trace, --version',
      )
  }
  const [name = '', ...rest] = words
  return { ...flags, name, words: app === undefined ? rest : [app, ...rest] }
}

export interface Parsed {
  readonly values: Record<string, unknown>
  readonly force: boolean
  /** The line as the audit keeps it, with what may be secret hidden. */
  readonly shown: readonly string[]
}

interface Sorted {
  readonly positional: string[]
  readonly flags: Map<string, string[]>
  /** Asked at the end: only then is it known which argument a word belongs to. */
  readonly shown: (() => string)[]
  force: boolean
  global: boolean
}

/** The words of a command by its declared arguments. Throws UserError `bad-usage` with the command's usage line. */
export function parseArguments(command: Command, words: readonly string[]): Parsed {
  const args = command.args ?? {}
  const sorted = sort(command, args, words)
  const values = fill(command, args, sorted)
  return { values, force: sorted.force, shown: [command.name, ...sorted.shown.map(each => each())] }
}

function sort(command: Command, args: Arguments, words: readonly string[]): Sorted {
  const sorted: Sorted = { positional: [], flags: new Map(), shown: [], force: false, global: false }
  const places = Object.entries(args).filter(([, each]) => isPositional(each))
  const rest = places.findIndex(([, each]) => each.place === 'words')
  let flagsEnded = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const raw = rest >= 0 && sorted.positional.length >= rest
    if (!flagsEnded && !raw && word === '--') flagsEnded = true
    else if (!flagsEnded && !raw && /^-./.test(word))
      at += readFlag(command, args, { word, next: words[at + 1] }, sorted)
    else {
      const index = sorted.positional.push(word) - 1
      sorted.shown.push(() => placeAt(places, index, sorted)?.hide?.(word) ?? word)
    }
  }
  return sorted
}

function placeAt(
  places: readonly (readonly [string, Argument<unknown>])[],
  index: number,
  { global }: Sorted,
): Argument<unknown> | undefined {
  const taking = global ? places.filter(([, each]) => each.place !== 'scope') : places
  return taking[Math.min(index, taking.length - 1)]?.[1]
}

/** Answers how many further words the flag took. */
function readFlag(
  command: Command,
  args: Arguments,
  { word, next }: { word: string; next: string | undefined },
  sorted: Sorted,
): number {
  const [, name = '', given] = /^(--?[^=]*)(?:=(.*))?$/s.exec(word)!
  sorted.shown.push(() => name)
  const found = Object.entries(args).find(
    ([, each]) => isFlag(each) && (name === `--${each.label}` || (each.short && name === `-${each.short}`)),
  )
  if (!found) return readOtherFlag(command, args, name, sorted)
  const [key, argument] = found
  if (argument.place === 'flag') {
    if (given !== undefined) throw badUsage(command, `${name} takes no value.`)
    sorted.flags.set(key, [''])
    return 0
  }
  const value = given ?? next
  if (value === undefined) throw badUsage(command, `${name} needs a value.`)
  sorted.shown.push(() => argument.hide?.(value) ?? value)
  sorted.flags.set(key, [...(sorted.flags.get(key) ?? []), value])
  return given === undefined ? 1 : 0
}

function readOtherFlag(command: Command, args: Arguments, name: string, sorted: Sorted): number {
  const declared = Object.entries(args)
  const key = declared.find(([, each]) => each.place === 'key')?.[0]
  if (name === '--force' || name === '-f') sorted.force = true
  else if (name === '--global' && declared.some(([, each]) => each.place === 'scope')) sorted.global = true
  else if (key !== undefined && name.startsWith('--') && !sorted.flags.has(key))
    sorted.flags.set(key, [name.slice(2)])
  else throw badUsage(command, `${name} is no flag of ${command.name}.`)
  return 0
}

function fill(
  command: Command,
  args: Arguments,
  { positional, flags, global }: Sorted,
): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const left = [...positional]
  const take = (key: string, argument: Argument<unknown>) => {
    if (isFlag(argument) || argument.place === 'key') return flags.get(key) ?? []
    if (argument.place === 'scope' && global) return []
    if (argument.place === 'many' || argument.place === 'any' || argument.place === 'words')
      return left.splice(0)
    const word = left.shift()
    return word === undefined ? [] : [word]
  }
  for (const [key, argument] of Object.entries(args)) {
    const words = take(key, argument)
    const needed =
      argument.place === 'one' || argument.place === 'many' || (argument.place === 'scope' && !global)
    if (needed && words.length === 0) throw badUsage(command, `${shownLabel(argument)} is missing.`)
    values[key] = argument.read(words)
  }
  if (left.length > 0) throw badUsage(command, `${JSON.stringify(left[0])} is one word too many.`)
  return values
}

function shownLabel(argument: Argument<unknown>): string {
  return argument.place === 'scope' ? 'APP or --global' : argument.label
}

function isFlag(argument: Argument<unknown>): boolean {
  return argument.place === 'flag' || argument.place === 'option'
}

function isPositional(argument: Argument<unknown>): boolean {
  return !isFlag(argument) && argument.place !== 'key'
}

function badUsage(command: Command, what: string): UserError {
  return new UserError('bad-usage', what, `Usage: ${usageLine(command)}`)
}
