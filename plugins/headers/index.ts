import {
  type App,
  appName,
  type CommandContext,
  defineCommand,
  definePlugin,
  type Kv,
  text,
  UserError,
} from 'davit/plugin'

/** Field name to its value; empty: the app's own is taken away. */
type Fields = Readonly<Record<string, string>>

const fieldsOf = (app: App, kv: Kv): Fields => kv.of(app).get<Fields>('fields') ?? {}
const name = text('NAME', 'As in X-Frame-Options')

/** Kept only when the proxy can say it. */
async function change(app: App, fields: Fields, context: CommandContext): Promise<void> {
  const { core, kv } = context
  const before = fieldsOf(app, kv)
  kv.of(app).set('fields', fields)
  const fault = await core.routes.fault(app.name, context)
  if (fault === undefined) return core.routes.refresh(app.name, context)
  kv.of(app).set('fields', before)
  throw new UserError('bad-field', `That cannot be said in an answer: ${fault}.`)
}

const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => key.toLowerCase() !== name.toLowerCase()))

export default definePlugin({
  name: 'headers',
  about: "Adds fields to an app's answers, or takes them away",
  api: 1,
  commands: [
    defineCommand({
      name: 'headers',
      about: 'Show the fields that are added to answers, and those that are taken away',
      reads: true,
      args: { app: appName() },
      run({ app }, { core, kv, out }) {
        const fields = Object.entries(fieldsOf(core.apps.get(app), kv))
        if (fields.length === 0) return out.warn(`Answers of ${app} are passed on with their own fields`)
        for (const [name, value] of fields) out(value === '' ? `${name} (taken away)` : `${name}: ${value}`)
      },
    }),

    defineCommand({
      name: 'headers:set',
      about: "Add a field to every answer, in place of the app's own",
      args: { app: appName(), name, value: text('VALUE') },
      async run({ app: which, name, value }, context) {
        const app = context.core.apps.get(which)
        if (value === '')
          throw new UserError('bad-field', `Take it away with: headers:remove ${which} ${name}`)
        await change(app, { ...without(fieldsOf(app, context.kv), name), [name]: value }, context)
        context.out(`Answers of ${which} say ${name}: ${value}`)
      },
    }),

    defineCommand({
      name: 'headers:remove',
      about: 'Take a field of the app away',
      args: { app: appName(), name },
      async run({ app: which, name }, context) {
        const app = context.core.apps.get(which)
        await change(app, { ...without(fieldsOf(app, context.kv), name), [name]: '' }, context)
        context.out(`Answers of ${which} are passed on without ${name}`)
      },
    }),

    defineCommand({
      name: 'headers:unset',
      about: 'Leave a field as the app has it',
      args: { app: appName(), name },
      async run({ app: which, name }, context) {
        const app = context.core.apps.get(which)
        await change(app, without(fieldsOf(app, context.kv), name), context)
        context.out(`Answers of ${which} are passed on with their own ${name}`)
      },
    }),
  ],
  hooks: {
    shapeRoute(route, { app }, { kv }) {
      const fields = fieldsOf(app, kv)
      if (Object.keys(fields).length === 0) return
      return { ...route, headers: { ...route.headers, ...fields } }
    },
  },
})
