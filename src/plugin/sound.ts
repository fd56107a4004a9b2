import type { Plugin } from './define.ts'
import { form, forms, isText, readFields, refuseOtherApi } from './fields.ts'
import { isHookName, noHook } from './hooks.ts'

/** Throws an Error that says why a plugin cannot take part, whatever it is written in: its author may not have asked the compiler. */
export function checkPlugin(plugin: Plugin, at: string): void {
  refuseOtherApi(plugin)
  readFields(plugin, at, fields, ['name', 'about', 'api'])
  const wrong = wrongCommand(plugin) ?? wrongHook(plugin) ?? wrongJob(plugin) ?? wrongMount(plugin)
  if (wrong !== undefined) throw new Error(wrong)
}

const work = form('a function', isFunction)
const list = form('a list', Array.isArray)

const fields = {
  name: forms.text,
  about: forms.text,
  api: form('the number 1', value => value === 1),
  needs: forms.names,
  commands: list,
  hooks: forms.object,
  jobs: form('a list, or a function', value => Array.isArray(value) || isFunction(value)),
  mounts: list,
  start: work,
  stop: work,
} satisfies { readonly [K in keyof Required<Plugin>]: unknown }

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

const commandName = /^[a-z0-9-]+(?::[a-z0-9-]+)?$/

function wrongCommand({ commands = [] }: Plugin): string | undefined {
  for (const { name, run } of commands) {
    if (!isText(name) || !commandName.test(name))
      return `it has a command called ${JSON.stringify(name)}, which nobody could type: TOPIC:VERB, in lower-case letters, digits and dashes`
    if (!isFunction(run)) return `its command ${name} has no run`
  }
  return undefined
}

/** Handlers that would never be called. */
function wrongHook({ hooks = {} }: Plugin): string | undefined {
  for (const [name, given] of Object.entries(hooks)) {
    if (!isHookName(name)) return noHook(name)
    if (!given) continue
    const { order, handle } = typeof given === 'function' ? { handle: given } : given
    if (!isFunction(handle)) return `its ${name} has to be a function, or an object with one called handle`
    if (order !== undefined && order !== 'early' && order !== 'late')
      return `its ${name} has the order ${JSON.stringify(order)}: there are early and late, and none`
  }
  return undefined
}

function wrongJob({ jobs = [] }: Plugin): string | undefined {
  if (typeof jobs === 'function') return undefined
  const wrong = jobs.find(({ name, schedule, run }) => !isText(name) || !isText(schedule) || !isFunction(run))
  return wrong && `its job ${JSON.stringify(wrong.name)} has to have a name, a schedule and a run`
}

function wrongMount({ mounts = [] }: Plugin): string | undefined {
  const wrong = mounts.find(({ path }) => !isText(path) || !path.startsWith('/'))
  return wrong && `its mount ${JSON.stringify(wrong.path)} has to have a path that begins with /`
}
