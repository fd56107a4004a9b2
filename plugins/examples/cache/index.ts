import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import {
  appName,
  type CommandContext,
  type Core,
  defineCommand,
  definePlugin,
  flag,
  option,
  serviceName,
  UserError,
  whole,
} from 'davit/plugin'

const service = serviceName()
const noRestart = flag('no-restart', { short: 'n', about: 'In force with the next deploy' })

const file = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8')
const recipe = { dockerfile: file('Dockerfile'), files: { start: file('start') } }

const isReady = ['bash', '-c', '[ "$(redis-cli ping)" = PONG ]']

export default definePlugin({
  name: 'cache',
  about: 'Redis for apps: how a plugin runs services',
  api: 1,
  commands: [
    defineCommand({
      name: 'cache:create',
      about: 'Make a cache',
      args: { service, memory: option('memory', whole(16, 1 << 20), { short: 'm', about: 'Megabytes' }) },
      async run({ service, memory = 128 }, { core, by, out, signal }) {
        const call = { by, out, signal }
        const made = await core.services.create(
          service,
          {
            image: await core.services.image(recipe, call),
            command: ['start'],
            env: { REDISCLI_AUTH: randomBytes(24).toString('hex') },
            user: '1000:1000',
            volumes: { '/data': { name: 'data', owner: '1000:1000' } },
            memoryBytes: memory * (1 << 20),
            ready: isReady,
          },
          call,
        )
        out(`${made.name} is there, as ${made.host}`)
      },
    }),

    defineCommand({
      name: 'cache:destroy',
      about: 'Destroy a cache with all that is in it',
      args: { service },
      confirm: ({ service }) => ({ name: service, loses: `All that is in ${service} is lost.` }),
      async run({ service }, { core, by, out, signal }) {
        await core.services.destroy(service, { by, out, signal })
        out(`${service} is destroyed`)
      },
    }),

    defineCommand({
      name: 'cache:link',
      about: 'Give an app a cache, as CACHE_URL',
      args: { service, app: appName(), noRestart },
      async run({ service, app, noRestart }, { core, by, out, signal }) {
        const { host } = core.services.get(service)
        const password = core.services.spec(service).env!.REDISCLI_AUTH
        const values = { CACHE_URL: `redis://:${password}@${host}:6379` }
        const options = { reason: `cache:link ${service}`, restart: !noRestart }
        await core.services.link(service, app, values, options, { by, out, signal })
        out(`${app} has ${service} as CACHE_URL`)
      },
    }),

    defineCommand({
      name: 'cache:unlink',
      about: 'Take it from the app again',
      args: { service, app: appName(), noRestart },
      async run({ service, app, noRestart }, { core, by, out, signal }) {
        const options = { reason: `cache:unlink ${service}`, restart: !noRestart }
        await core.services.unlink(service, app, options, { by, out, signal })
        out(`${app} is without ${service}`)
      },
    }),

    defineCommand({
      name: 'cache:list',
      about: 'List the caches, with the apps that have them',
      reads: true,
      run(_, { core, out }) {
        for (const { name, links } of core.services.list())
          out([name, ...links.map(each => each.app.name)].join(' '))
      },
    }),

    defineCommand({
      name: 'cache:info',
      about: 'Show how a cache is, and where',
      reads: true,
      args: { service },
      async run({ service }, { core, out }) {
        const { host, address, folder } = core.services.get(service)
        const { says } = await core.services.status(service)
        for (const [key, value] of Object.entries({ status: says, host, address, folder }))
          out(`       ${`${key}:`.padEnd(10)}${value}`)
      },
    }),

    defineCommand({
      name: 'cache:limit',
      about: 'Give a cache more memory, or less; what is in it stays',
      args: { service, memory: option('memory', whole(16, 1 << 20), { short: 'm', about: 'Megabytes' }) },
      async run({ service, memory = 128 }, { core, by, out, signal }) {
        const spec = { ...core.services.spec(service), memoryBytes: memory * (1 << 20) }
        await core.services.change(service, spec, { by, out, signal })
        out(`${service} has ${memory} MB`)
      },
    }),

    ...(['start', 'stop', 'restart'] as const).map(verb =>
      defineCommand({
        name: `cache:${verb}`,
        about: `${verb[0]!.toUpperCase()}${verb.slice(1)} a cache`,
        args: { service },
        run: ({ service }, { core, by, out, signal }) => core.services[verb](service, { by, out, signal }),
      }),
    ),

    defineCommand({
      name: 'cache:logs',
      about: 'Show what a cache says',
      reads: true,
      args: { service, follow: flag('tail', { short: 't', about: 'On, until you leave' }) },
      async run({ service, follow }, { core, out, signal }) {
        for await (const { at, text } of core.services.logs(service, { tail: 100, follow, signal }))
          await out.flushed(`${at.toISOString()} ${text}`)
      },
    }),

    defineCommand({
      name: 'cache:cli',
      about: 'Talk to a cache',
      args: { service },
      run: ({ service }, context) => context.core.services.exec(service, ['redis-cli'], ends(context)),
    }),

    defineCommand({
      name: 'cache:export',
      about: 'Write all that is in a cache to stdout',
      args: { service },
      run: ({ service }, context) =>
        context.core.services.exec(service, ['redis-cli', '--rdb', '-'], ends(context)),
    }),

    defineCommand({
      name: 'cache:import',
      about: 'Put what stdin has in place of all that is in a cache',
      args: { service },
      async run({ service }, context) {
        const { core, by, out, signal } = context
        const call = { by, out, signal }
        await core.services.stop(service, call)
        try {
          await readDump(service, context, core)
        } finally {
          await core.services.start(service, call)
        }
      },
    }),
  ],
})

/** Whole, or nothing is replaced. */
async function readDump(service: string, context: CommandContext, core: Core): Promise<void> {
  const words = ['sh', '-ec', 'cat >/data/.new && redis-check-rdb /data/.new && mv /data/.new /data/dump.rdb']
  const code = await core.services.run(service, words, ends(context))
  if (code === 0) return
  await core.services.run(service, ['rm', '-f', '/data/.new'], ends(context))
  throw new UserError('bad-dump', 'That is no export of a cache; nothing was replaced.')
}

function ends({ session, signal }: CommandContext) {
  const { stdin, stdout, stderr, terminal } = session
  return { stdin, stdout, stderr, terminal, env: {}, signal }
}
