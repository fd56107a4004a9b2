import { t } from 'tap'

import {
  type AppName,
  any,
  appName,
  appOrGlobal,
  choice,
  defineCommand,
  definePlugin,
  flag,
  type KindOf,
  many,
  option,
  optional,
  options,
  text,
  whole,
  words,
} from '../../src/plugin/index.ts'

/** The compiler is what tests here: `tsc` fails where a line marked as an error is none, or where another one is. */

const plugin = { name: 'x', about: 'X', api: 1 } as const

t.test('a plugin cannot listen to what is no hook', async t => {
  // @ts-expect-error: there is no such hook
  t.ok(definePlugin({ ...plugin, hooks: { afterRelese() {} } }))
})

t.test('a handler stands early, late, or at its usual place', async t => {
  t.ok(definePlugin({ ...plugin, hooks: { afterRelease: { order: 'early', handle() {} } } }))
  // @ts-expect-error: no such order
  t.ok(definePlugin({ ...plugin, hooks: { afterRelease: { order: 'first', handle() {} } } }))
  // @ts-expect-error: nothing to call
  t.ok(definePlugin({ ...plugin, hooks: { afterRelease: { order: 'early' } } }))
})

t.test('a handler answers what the kind of its hook lets it', async t => {
  t.ok(
    definePlugin({
      ...plugin,
      hooks: {
        shapeEnv: async env => ({ ...env, A: '1' }),
        shapeContainer: () => undefined,
        shapeRoute: () => {},
        findBuilder: () => ({ name: 'x', dockerfile: '' }),
        beforeCreate: async () => {},
      },
    }),
  )
  // @ts-expect-error: an env has strings only
  t.ok(definePlugin({ ...plugin, hooks: { shapeEnv: () => ({ A: 1 }) } }))
  // @ts-expect-error: a name is no builder
  t.ok(definePlugin({ ...plugin, hooks: { findBuilder: () => 'dockerfile' } }))
  // @ts-expect-error: nobody takes an answer to a before hook
  t.ok(definePlugin({ ...plugin, hooks: { beforeCreate: async () => false } }))
})

t.test('a handler is told what its hook is about', async t => {
  t.ok(
    definePlugin({
      ...plugin,
      hooks: {
        afterRelease: ({ app, release }, { kv }) => kv.set(app.name, release.number),
        shapeEnv: (env, { process, release }) => ({ ...env, WHO: `${process} ${release.number}` }),
      },
    }),
  )
  // @ts-expect-error: nothing is released when an app is made
  t.ok(definePlugin({ ...plugin, hooks: { afterCreate: ({ release }) => void release } }))
  // @ts-expect-error: the value comes first, the event after it
  t.ok(definePlugin({ ...plugin, hooks: { shapeEnv: (_, { env }) => env } }))
})

t.test('who may do what is decided with a reason, and hooks of one kind are known by it', async t => {
  t.ok(
    definePlugin({
      ...plugin,
      hooks: {
        findAccess: ({ by }) =>
          (({ allow: by.role === 'admin' }) as const).allow
            ? { allow: true }
            : { allow: false, reason: 'No.' },
      },
    }),
  )
  // @ts-expect-error: a refusal has a reason
  t.ok(definePlugin({ ...plugin, hooks: { findAccess: () => ({ allow: false as const }) } }))
  // @ts-expect-error: who hears of an event answers nothing
  t.ok(definePlugin({ ...plugin, hooks: { afterEvent: () => 'heard' } }))
  exactly<'before'>()(null as unknown as KindOf<'beforeRelease'>)
  exactly<'shape'>()(null as unknown as KindOf<'shapeRoute'>)
  exactly<'find'>()(null as unknown as KindOf<'findAccess'>)
  exactly<'after'>()(null as unknown as KindOf<'afterEvent'>)
})

t.test('jobs have a schedule, mounts a folder or a handler', async t => {
  const job = { name: 'x', about: 'X', schedule: '* * * * *', run: () => undefined }
  t.ok(
    definePlugin({
      ...plugin,
      jobs: [job],
      mounts: [
        { path: '/x', files: 'x' },
        { path: '/y', handle: () => ({ status: 204 }) },
      ],
    }),
  )
  t.ok(definePlugin({ ...plugin, jobs: ({ kv }) => (kv.get('x') ? [job] : []) }))
  // @ts-expect-error: when?
  t.ok(definePlugin({ ...plugin, jobs: [{ name: 'x', about: 'X', run: () => undefined }] }))
  // @ts-expect-error: an answer has a status
  t.ok(definePlugin({ ...plugin, mounts: [{ path: '/y', handle: () => ({ body: 'x' }) }] }))
})

t.test('what a hook hands over is not to be written on', async t => {
  t.ok(
    definePlugin({
      ...plugin,
      hooks: {
        shapeEnv(env) {
          // @ts-expect-error: a change is a new value
          env.A = '1'
        },
      },
    }),
  )
})

t.test('a plugin is for one version of the interface', async t => {
  // @ts-expect-error: not this one
  t.ok(definePlugin({ ...plugin, api: 2 }))
})

t.test("what a command's run gets follows from what it declares", async t => {
  const command = defineCommand({
    name: 'x:y',
    about: 'X',
    args: {
      app: appName(),
      place: appOrGlobal(),
      key: text('KEY'),
      value: optional(text('VALUE')),
      more: many(text('MORE')),
      rest: any(text('REST')),
      line: words('COMMAND'),
      all: flag('all'),
      count: option('count', whole(0, 9)),
      format: option('format', choice('stdout', 'json')),
      env: options('env', word => [word, 1] as const),
    },
    run(values) {
      exactly<AppName>()(values.app)
      exactly<AppName | undefined>()(values.place)
      exactly<string>()(values.key)
      exactly<string | undefined>()(values.value)
      exactly<readonly string[]>()(values.more)
      exactly<readonly string[]>()(values.rest)
      exactly<readonly string[]>()(values.line)
      exactly<boolean>()(values.all)
      exactly<number | undefined>()(values.count)
      exactly<'stdout' | 'json' | undefined>()(values.format)
      exactly<readonly (readonly [string, 1])[]>()(values.env)
      // @ts-expect-error: not declared
      void values.other
      // @ts-expect-error: an app's name is more than a string
      const name: AppName = values.key
      void name
    },
    confirm: ({ app }) => ({ name: app, loses: 'It goes.' }),
  })
  t.equal(command.name, 'x:y')
})

t.test('a command answers an exit code or nothing', async t => {
  // @ts-expect-error: text is printed, not answered
  t.ok(defineCommand({ name: 'x:y', about: 'X', run: () => 'done' }))
  t.ok(defineCommand({ name: 'x:y', about: 'X', run: async () => 1 }))
})

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Takes a value of this very type, neither a wider nor a narrower one. */
function exactly<Wanted>() {
  return <Given>(_value: Same<Given, Wanted> extends true ? Given : never) => undefined
}
