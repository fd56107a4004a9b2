import {
  type AppName,
  appName,
  type Core,
  defineCommand,
  definePlugin,
  defineReport,
  isProcessName,
  type Out,
  option,
  UserError,
} from 'davit/plugin'

import { amounts, type Kind, kinds, type Resource, shapedBy } from './amounts.ts'

/** What counts for processes that have nothing of their own. */
const everyProcess = '_default_'

const keyOf = (process: string, kind: Kind, resource: Resource) => `${process}.${kind}.${resource}`

const processType = option('process-type', readProcess, { about: 'Only for this process, as web' })

export default definePlugin({
  name: 'resource',
  about: 'Limits what the processes of an app may use, and reserves what they need',
  api: 1,
  commands: [
    ...kinds.flatMap(kind => [
      defineCommand({
        name: `resource:${kind}`,
        about:
          kind === 'limit'
            ? 'Set the most that containers may use; without a value show it'
            : 'Set what containers ought to keep when it is short; without a value show it',
        args: {
          cpu: option('cpu', amounts.cpu.read, { about: 'Processors: 0.5, 2; clear for none' }),
          memory: option('memory', amounts.memory.read, {
            about: '512m, 2g; megabytes where no unit is given',
          }),
          swap: option('memory-swap', amounts['memory-swap'].read, {
            about: 'Memory and swap together; -1: any',
          }),
          process: processType,
          app: appName(),
        },
        run({ app, cpu, memory, swap, process = everyProcess }, { core, out }) {
          core.apps.get(app)
          const given = { cpu, memory, 'memory-swap': swap }
          const set = Object.entries(given).filter(([, value]) => value !== undefined) as [Resource, string][]
          if (set.length === 0) return show({ app, process, kind }, core, out)
          out.step(`Setting resource ${kind}s for ${app}${ofProcess(process)}`)
          for (const [resource, value] of set) {
            core.properties.set(
              'resource',
              app,
              keyOf(process, kind, resource),
              value === 'clear' ? undefined : value,
            )
            out.detail(`${resource}: ${value}`)
          }
          out.detail(`In force with the next deploy, or: ps:restart ${app}`)
        },
      }),

      defineCommand({
        name: `resource:${kind}-clear`,
        about: `Set no ${kind} any more, for a process or for all`,
        args: { process: processType, app: appName() },
        run({ app, process }, { core, out }) {
          core.apps.get(app)
          out.step(`Clearing resource ${kind}s for ${app}${process ? ofProcess(process) : ''}`)
          for (const { key } of core.properties.of('resource', app)) {
            const [name, of] = key.split('.')
            if (of === kind && (process === undefined || name === process))
              core.properties.set('resource', app, key, undefined)
          }
        },
      }),
    ]),

    defineReport({
      name: 'resource',
      facts(app, core) {
        const set = core.properties.of('resource', app)
        return Object.fromEntries(set.map(({ key, value }) => [key, value]))
      },
    }),
  ],
  hooks: {
    shapeContainer(spec, { app, process }, { core }) {
      const get = (kind: Kind, resource: Resource) =>
        core.properties.get('resource', app.name, keyOf(process, kind, resource)) ??
        core.properties.get('resource', app.name, keyOf(everyProcess, kind, resource))
      return { ...spec, ...shapedBy(get) }
    },
  },
})

function show(of: { app: AppName; process: string; kind: Kind }, core: Core, out: Out): void {
  const { app, process, kind } = of
  out.headline(
    `resource ${kind}s ${app} information${process === everyProcess ? ' [defaults]' : ` [${process}]`}`,
  )
  for (const resource of Object.keys(amounts) as Resource[]) {
    const value = core.properties.get('resource', app, keyOf(process, kind, resource)) ?? ''
    out(`       ${`${resource}:`.padEnd(14)}${value}`.trimEnd())
  }
}

function ofProcess(process: string): string {
  return process === everyProcess ? '' : ` (${process})`
}

function readProcess(word: string): string {
  if (isProcessName(word) || word === everyProcess) return word
  throw new UserError('bad-process', `${JSON.stringify(word)} cannot be a process name.`)
}
