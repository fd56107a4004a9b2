import { appMissing, UserError } from '../errors.ts'
import type { AppName, Hostname } from '../types.ts'
import { isAppName, readAppName, readHostname, readServiceName } from './names.ts'

/**
 * One thing a command takes: where it stands on the line, how it is shown in usage, how its text is read.
 * `T` is what the command's `run` gets.
 */
export interface Argument<T> {
  readonly place: 'one' | 'optional' | 'many' | 'any' | 'scope' | 'words' | 'flag' | 'option' | 'key'
  /** As shown in usage: `APP`, `KEY=VALUE`; for flags and options their name without dashes. */
  readonly label: string
  readonly about: string
  /** A single letter, for `-t`. */
  readonly short?: string
  /** From the words that fell to it (a flag: one empty word) to its value. Throws UserError on text it cannot read. */
  readonly read: (words: readonly string[]) => T
  /** What the audit shows in place of a word that may hold a secret. */
  readonly hide?: (word: string) => string
}

/** What a command takes, by the names under which `run` gets it. */
export type Arguments = Readonly<Record<string, Argument<unknown>>>

/** What `run` gets for them. */
export type Values<A extends Arguments> = {
  readonly [K in keyof A]: A[K] extends Argument<infer T> ? T : never
}

type Read<T> = (text: string) => T

/** A positional word, read as it is. */
export function text(label: string, about = ''): Argument<string> {
  return one(label, about, word => word)
}

/** A positional word of one's own form; `read` throws UserError. */
export function one<T>(label: string, about: string, read: Read<T>): Argument<T> {
  return { place: 'one', label: label.toUpperCase(), about, read: words => read(words[0]!) }
}

/** The name of an app that ought to be there; a name no app can have is a missing app (exit 20). */
export function appName(): Argument<AppName> {
  return one('APP', 'The app', existingName)
}

/** A name for an app to be. */
export function newAppName(label = 'APP'): Argument<AppName> {
  return one(label, 'Lower-case letters, digits, dashes and dots', readAppName)
}

/** The name of something that a plugin runs for apps. */
export function serviceName(label = 'SERVICE'): Argument<string> {
  return one(label, 'Letters, digits, - and _', readServiceName)
}

/** A positional hostname, `*.` in front or not. */
export function hostname(label = 'DOMAIN'): Argument<Hostname> {
  return one(label, 'A hostname, or *.hostname', readHostname)
}

/** `APP` or `--global`: undefined means the host. */
export function appOrGlobal(): Argument<AppName | undefined> {
  return {
    place: 'scope',
    label: '(APP|--global)',
    about: 'The app, or the whole host',
    read: words => (words.length === 0 ? undefined : existingName(words[0]!)),
  }
}

/** The same word, or nothing. */
export function optional<T>(argument: Argument<T>): Argument<T | undefined> {
  return {
    ...argument,
    place: 'optional',
    read: words => (words.length === 0 ? undefined : argument.read(words)),
  }
}

/** One or more of these. */
export function many<T>(argument: Argument<T>): Argument<readonly T[]> {
  return { ...argument, place: 'many', read: words => words.map(word => argument.read([word])) }
}

/** None or more of these. */
export function any<T>(argument: Argument<T>): Argument<readonly T[]> {
  return { ...argument, place: 'any', read: words => words.map(word => argument.read([word])) }
}

/** Everything that follows, flags too, as it is: a command line for somebody else. */
export function words(label: string, about = ''): Argument<readonly string[]> {
  return {
    place: 'words',
    label: label.toUpperCase(),
    about,
    read: given => (given[0] === '--' ? given.slice(1) : given),
  }
}

/** `--name`: there or not. */
export function flag(
  name: string,
  { short, about = '' }: { short?: string; about?: string } = {},
): Argument<boolean> {
  return { place: 'flag', label: name, about, ...(short ? { short } : {}), read: given => given.length > 0 }
}

/** `--name VALUE`, `--name=VALUE`; may be absent. */
export function option<T>(
  name: string,
  read: Read<T>,
  { short, about = '' }: { short?: string; about?: string } = {},
): Argument<T | undefined> {
  return {
    place: 'option',
    label: name,
    about,
    ...(short ? { short } : {}),
    read: given => (given.length === 0 ? undefined : read(given.at(-1)!)),
  }
}

/** `--name VALUE` any number of times. */
export function options<T>(
  name: string,
  read: Read<T>,
  { short, about = '' }: { short?: string; about?: string } = {},
): Argument<readonly T[]> {
  return { place: 'option', label: name, about, ...(short ? { short } : {}), read: given => given.map(read) }
}

/** One flag out of a set that is known only to the command: a report's `--X-KEY`. */
export function keyFlag(about: string): Argument<string | undefined> {
  return { place: 'key', label: 'KEY', about, read: given => given[0] }
}

/** For `option`: one of these words. */
export function choice<C extends string>(...choices: readonly C[]): Read<C> {
  return word => {
    const found = choices.find(each => each === word)
    if (found === undefined)
      throw new UserError('bad-argument', `${word} is not one of: ${choices.join(', ')}.`)
    return found
  }
}

/** For `option` and `one`: a whole number within bounds. */
export function whole(least: number, most: number): Read<number> {
  return word => {
    const number = Number(word)
    if (/^\d{1,15}$/.test(word) && number >= least && number <= most) return number
    throw new UserError('bad-argument', `${word} is not a whole number from ${least} to ${most}.`)
  }
}

function existingName(word: string): AppName {
  if (!isAppName(word)) throw appMissing(word)
  return word
}
