import {
  type AppName,
  appName,
  type Call,
  type Core,
  choice,
  defineCommand,
  definePlugin,
  defineReport,
  defineSet,
  one,
  option,
  type Property,
  type Topic,
  UserError,
} from 'davit/plugin'

const readName = (word: string) => {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/.test(word)) return word
  throw new UserError(
    'bad-name',
    `${JSON.stringify(word)} cannot be a network's name.`,
    'Letters, digits, - and _.',
  )
}
const name = one('NAME', 'Letters, digits, - and _', readName)
const format = option('format', choice('text', 'stdout', 'json'), { about: 'text or json' })

/** Dokku joins at three moments; here a container is in all its networks before it starts. */
const keys = ['initial-network', 'attach-post-create', 'attach-post-deploy'] as const

const joining: readonly Property[] = keys.map(key => ({
  key,
  about: key === 'attach-post-create' ? 'Networks to join, with commas between' : 'The same, as Dokku has it',
  where: 'both',
  fallback: '',
  read: value =>
    value
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(readName)
      .join(','),
  changed: known,
}))

const topic: Topic = {
  name: 'network',
  properties: [
    ...joining,
    {
      key: 'tld',
      about: 'Behind the names that containers have there: web of shop is shop.web, or shop.web.TLD',
      where: 'both',
      fallback: '',
      read: value => {
        if (/^[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?$/.test(value)) return value
        throw new UserError('bad-property', `${JSON.stringify(value)} is no end of a name.`)
      },
    },
  ],
  instead: {
    'bind-all-interfaces': 'Only the proxy listens on the host: ports:add leads a port of it to the app.',
    'static-web-listener': 'Only the proxy listens on the host: ports:add leads a port of it to the app.',
  },
}

export default definePlugin({
  name: 'network',
  about: 'Lets apps reach each other over networks that they share',
  api: 1,
  commands: [
    defineCommand({
      name: 'network:create',
      about: 'Make a network that apps may share',
      args: { name },
      async run({ name }, { core, out }) {
        out.step(`Creating network ${name}`)
        await core.networks.create(name)
      },
    }),

    defineCommand({
      name: 'network:destroy',
      about: 'Destroy a network',
      args: { name },
      confirm: ({ name }) => ({ name, loses: `The network ${name} goes.` }),
      async run({ name }, { core, out }) {
        await get(name, core)
        const users = usersOf(name, core)
        if (users.length > 0)
          throw new UserError(
            'network-used',
            `${name} is used by ${users.join(', ')}.`,
            `Leave it first: network:set ${users[0]} attach-post-create, then ps:restart ${users[0]}`,
          )
        out.step(`Destroying network ${name}`)
        await core.networks.remove(name)
      },
    }),

    defineCommand({
      name: 'network:exists',
      about: 'Exit 0 when the network is there, 1 when not',
      reads: true,
      args: { name },
      async run({ name }, { core, out }) {
        await get(name, core)
        out('Network exists')
      },
    }),

    defineCommand({
      name: 'network:info',
      about: 'Show a network and who is in it',
      reads: true,
      args: { name, format },
      async run({ name, format }, { core, out }) {
        const rows = { ...(await get(name, core)), apps: usersOf(name, core).join(' ') }
        if (format === 'json') return out(JSON.stringify(rows))
        for (const [key, value] of Object.entries(rows))
          out(`       ${`${key}:`.padEnd(10)}${value}`.trimEnd())
      },
    }),

    defineCommand({
      name: 'network:list',
      about: 'List the networks that apps may share',
      reads: true,
      args: { format },
      async run({ format }, { core, out }) {
        const networks = await core.networks.list()
        if (format === 'json') return out(JSON.stringify(networks))
        out.headline('Networks')
        for (const { name } of networks) out(name)
      },
    }),

    defineCommand({
      name: 'network:rebuild',
      about: 'New containers where the networks of an app have changed',
      args: { app: appName() },
      run: ({ app }, { core }) => core.redeploy(core.apps.get(app).name, `network:rebuild ${app}`),
    }),

    defineCommand({
      name: 'network:rebuildall',
      about: 'The same for all apps',
      run(_, { core }) {
        for (const { name } of core.apps.list()) core.redeploy(name, `network:rebuild ${name}`)
      },
    }),

    defineSet(topic),
    defineReport(topic),
  ],
  hooks: {
    shapeContainer(spec, { app, process }, { core }) {
      const names = networksOf(app.name, core)
      if (names.length === 0) return undefined
      const tld = core.properties.inForce('network', app.name, 'tld', '')
      const full = `${app.name}.${process}${tld === '' ? '' : `.${tld}`}`
      // One-off commands join, but nobody is to find them.
      const aliases = process === 'run' || process === 'release' ? {} : { [full]: true as const }
      return {
        ...spec,
        networks: { ...spec.networks, ...Object.fromEntries(names.map(name => [name, { aliases }])) },
      }
    },
  },
})

function networksOf(app: AppName, core: Core): readonly string[] {
  const set = keys.flatMap(key => core.properties.inForce('network', app, key, '').split(',').filter(Boolean))
  return [...new Set(set)].sort()
}

function usersOf(name: string, core: Core): readonly AppName[] {
  const apps = core.apps.list().map(each => each.name)
  return apps.filter(app => networksOf(app, core).includes(name))
}

async function get(name: string, core: Core): Promise<{ readonly name: string; readonly subnet: string }> {
  const found = (await core.networks.list()).find(each => each.name === name)
  if (found) return found
  throw new UserError('network-missing', 'Network does not exist', `Make it: network:create ${name}`)
}

/** A network that is not there is not kept as something to join. */
async function known(core: Core, app: AppName | undefined, _call: Call): Promise<void> {
  const there = new Set((await core.networks.list()).map(each => each.name))
  for (const key of keys) {
    const names = core.properties.get('network', app, key)?.split(',') ?? []
    const unknown = names.find(each => !there.has(each))
    if (unknown === undefined) continue
    core.properties.set('network', app, key, undefined)
    throw new UserError(
      'network-missing',
      `There is no network ${unknown}.`,
      `Make it: network:create ${unknown}`,
    )
  }
}
