import { meant } from './nearest.ts'
import { isObject, type Json } from './patch.ts'

/** What may stand under a key of an object that somebody wrote. */
export interface Form<T> {
  /** `true or false` */
  readonly says: string
  readonly fits: (value: unknown) => value is T
}

/** A form for what is one of these, and looks so. */
export function form<T>(says: string, fits: (value: unknown) => boolean): Form<T> {
  return { says, fits: (value): value is T => fits(value) }
}

/** Forms that many keys have. */
export const forms = {
  text: form<string>('a text', isText),
  flag: form<boolean>('true or false', value => typeof value === 'boolean'),
  list: form<readonly Json[]>('a list', Array.isArray),
  names: form<readonly string[]>('a list of names', value => Array.isArray(value) && value.every(isText)),
  object: form<{ readonly [key: string]: Json }>('an object', isObject),
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

type Keys = Readonly<Record<string, Form<unknown>>>
type Of<F> = F extends Form<infer T> ? T : never
type Fields<F extends Keys, N extends keyof F> = { readonly [K in N]: Of<F[K]> } & {
  readonly [K in Exclude<keyof F, N>]?: Of<F[K]>
}

/** An object with no other keys than these, each of its form. Throws an Error that says what is wrong, and what may stand there. */
export function readFields<const F extends Keys, N extends keyof F & string = never>(
  given: unknown,
  at: string,
  keys: F,
  needed: readonly N[] = [],
): Fields<F, N> {
  if (!isObject(given)) throw new Error(`${at} is ${shown(given)}; it has to be an object`)
  const known = Object.keys(keys)
  for (const [key, value] of Object.entries(given)) {
    const form = known.includes(key) ? keys[key] : undefined
    if (!form)
      throw new Error(
        `${at} has a key ${JSON.stringify(key)} that means nothing${meant(key, known)}: its keys are ${known.join(', ')}`,
      )
    if (value !== undefined && !form.fits(value))
      throw new Error(`${JSON.stringify(key)} of ${at} is ${shown(value)}; it has to be ${form.says}`)
  }
  const missing = needed.find(key => given[key] === undefined)
  if (missing === undefined) return given as Fields<F, N>
  throw new Error(`${at} has no ${JSON.stringify(missing)}, which has to be ${keys[missing]!.says}`)
}

/** What was written for another interface may have other keys: that is said before anything else. */
export function refuseOtherApi(given: unknown): void {
  const api = isObject(given) ? given.api : undefined
  if (typeof api === 'number' && api !== 1) throw new Error(`it is for api ${api}; this Davit speaks api 1`)
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** The line, from 1, at which a text stops being JSON. */
export function lineOfFault(text: string): number {
  const at = positionIn(messageFor(text)) ?? firstUnexpected(text)
  return text.slice(0, at).split('\n').length
}

function messageFor(text: string): string {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return (error as SyntaxError).message
  }
}

function positionIn(message: string): number | undefined {
  const [, at] = /at position (\d+)/.exec(message) ?? []
  return at === undefined ? undefined : Number(at)
}

/** V8 does not say where an unexpected token stands: it is the last of the shortest beginning that has one. */
function firstUnexpected(text: string): number {
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (messageFor(text.slice(0, middle)).startsWith('Unexpected token')) high = middle
    else low = middle + 1
  }
  return low
}
