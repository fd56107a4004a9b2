import {
  type App,
  type AppName,
  appName,
  type CommandContext,
  type ContainerSpec,
  type Core,
  choice,
  defineCommand,
  definePlugin,
  defineReport,
  one,
  option,
  optional,
  UserError,
  words,
} from 'davit/plugin'

import { built, shaped } from './options.ts'

const phases = ['build', 'deploy', 'run'] as const
type Phase = (typeof phases)[number]

const phaseList = one('PHASES', 'build, deploy, run: one of them, or several with commas between', word =>
  word
    .split(',')
    .filter(Boolean)
    .map(choice(...phases)),
)

export default definePlugin({
  name: 'docker-options',
  about: "Gives an app's builds and containers options of the engine",
  api: 1,
  commands: [
    defineCommand({
      name: 'docker-options:add',
      about: 'Add an option, for phases of an app',
      args: {
        app: appName(),
        phases: phaseList,
        option: words('OPTION', 'As for docker: --ulimit nofile=1024'),
      },
      run: ({ app, phases, option }, context) => {
        const line = lineOf(option)
        for (const phase of phases) check(phase, line)
        change(app, phases, context, lines => (lines.includes(line) ? lines : [...lines, line]))
      },
    }),

    defineCommand({
      name: 'docker-options:remove',
      about: 'Take an option away',
      args: { app: appName(), phases: phaseList, option: words('OPTION', 'As it was added') },
      run: ({ app, phases, option }, context) =>
        change(app, phases, context, lines => lines.filter(each => each !== lineOf(option))),
    }),

    defineCommand({
      name: 'docker-options:clear',
      about: 'Take all options away, of these phases or of all',
      args: { app: appName(), phases: optional(phaseList) },
      run: ({ app, phases: given }, context) => change(app, given ?? phases, context, () => []),
    }),

    defineCommand({
      name: 'docker-options:list',
      about: 'List the options of an app',
      reads: true,
      args: {
        app: appName(),
        phase: option('phase', choice(...phases), { about: 'Only of this phase' }),
        format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
      },
      run({ app, phase, format }, { core, out }) {
        core.apps.get(app)
        const all = (phase ? [phase] : phases).map(each => [each, linesOf(each, app, core)] as const)
        if (format === 'json') return out(JSON.stringify(Object.fromEntries(all)))
        for (const [phase, lines] of all) for (const line of lines) out(`${phase}: ${line}`)
      },
    }),

    defineReport({
      name: 'docker-options',
      facts: (app, core) =>
        Object.fromEntries(phases.map(phase => [phase, linesOf(phase, app, core).join(' ')])),
    }),
  ],
  hooks: {
    shapeBuild(builder, { app }, { core }) {
      if (builder.static !== undefined) return undefined
      return linesOf('build', app.name, core).reduce(built, builder)
    },
    // After those that have topics of their own: what somebody says in the engine's words is meant.
    shapeContainer: {
      order: 'late',
      handle: (spec, { app, process }, { core }) => shapedFor(app, process, spec, core),
    },
  },
})

/** deploy: containers that stay · run: one-off commands, the release command too. */
function shapedFor(app: App, process: string, spec: ContainerSpec, core: Core): ContainerSpec {
  const phase = process === 'run' || process === 'release' ? 'run' : 'deploy'
  return linesOf(phase, app.name, core).reduce(shaped, spec)
}

function linesOf(phase: Phase, app: AppName, core: Core): readonly string[] {
  return JSON.parse(core.properties.get('docker-options', app, phase) ?? '[]') as string[]
}

function change(
  app: AppName,
  given: readonly Phase[],
  { core, out }: CommandContext,
  to: (lines: readonly string[]) => readonly string[],
): void {
  core.apps.get(app)
  for (const phase of given) {
    const lines = to(linesOf(phase, app, core))
    core.properties.set('docker-options', app, phase, lines.length > 0 ? JSON.stringify(lines) : undefined)
  }
  out.detail(
    given.every(each => each === 'build')
      ? 'In force with the next push'
      : `In force with the next deploy, or: ps:restart ${app}`,
  )
}

function lineOf(words: readonly string[]): string {
  const line = words.join(' ').trim()
  if (line === '')
    throw new UserError('bad-usage', 'No option was given.', 'docker-options:add APP PHASES OPTION')
  return line
}

/** Tried on something, so that what cannot be is refused now and not at the next deploy. */
function check(phase: Phase, line: string): void {
  if (phase === 'build') built({ name: 'x', dockerfile: '' }, line)
  else {
    const none = { mounts: {}, labels: {}, env: {} }
    shaped({ ...none, image: '', command: [], pidLimit: 1, stopTimeout: 1 }, line)
  }
}
