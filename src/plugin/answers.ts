import type { HookName } from './hooks.ts'
import { isObject } from './patch.ts'

type Check = (value: unknown) => boolean

/** What is wrong with a hook's answer, in a few words; undefined when nothing is. What is not named here is checked where it is used. */
export function wrongIn(hook: HookName, answer: unknown): string | undefined {
  const fields = forms[hook]
  if (!fields) return undefined
  if (!isObject(answer)) return 'is no object'
  if (fields === 'strings')
    return nameOf(Object.entries(answer).find(([, each]) => typeof each !== 'string')?.[0], 'no string')
  for (const [name, { check, form, optional }] of Object.entries(fields)) {
    const value = answer[name]
    if (value === undefined ? !optional : !check(value)) return nameOf(name, form)
  }
  return undefined
}

function nameOf(field: string | undefined, form: string): string | undefined {
  return field === undefined ? undefined : `has ${form} under ${JSON.stringify(field)}`
}

interface Field {
  readonly check: Check
  readonly form: string
  readonly optional?: true
}

const isString: Check = value => typeof value === 'string'
const isStrings: Check = value => isObject(value) && Object.values(value).every(isString)
const string: Field = { check: isString, form: 'no text' }
const strings: Field = { check: isStrings, form: 'no names with texts' }
const number: Field = { check: value => Number.isFinite(value), form: 'no number' }
const flag: Field = { check: value => typeof value === 'boolean', form: 'neither true nor false' }
const maybe = (field: Field): Field => ({ ...field, optional: true })

const builder = {
  name: string,
  dockerfile: maybe(string),
  static: maybe(string),
  files: maybe(strings),
  buildArgs: maybe(strings),
  ignore: maybe(string),
  target: maybe(string),
  processes: maybe(strings),
}

const container = {
  image: string,
  command: {
    check: (value: unknown) => Array.isArray(value) && value.every(isString),
    form: 'no list of texts',
  },
  env: strings,
  mounts: {
    check: (value: unknown) =>
      isObject(value) && Object.values(value).every(each => isObject(each) && isString(each.source)),
    form: 'something without a source',
  },
  labels: strings,
  memoryBytes: maybe(number),
  cpus: maybe(number),
  pidLimit: number,
  stopTimeout: number,
}

const forms: { readonly [N in HookName]?: 'strings' | Readonly<Record<string, Field>> } = {
  findBuilder: builder,
  shapeBuild: builder,
  shapeEnv: 'strings',
  shapeContainer: container,
  ...({ findAccess: { allow: flag, reason: maybe(string) } } as object),
}
