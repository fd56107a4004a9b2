import {
  type AppName,
  appName,
  type CommandContext,
  type Core,
  choice,
  defineCommand,
  definePlugin,
  defineReport,
  one,
  option,
  optional,
  text,
  UserError,
  words,
} from 'davit/plugin'

import { type Mount, mountsOf, readMount, setMounts, textOf } from './mounts.ts'
import { exists, list, make, mustWork, owner, pathOf, readName, work } from './places.ts'

const name = one('NAME', 'Letters, digits, - and _', readName)
const chown = option('chown', owner, { about: 'herokuish, heroku, paketo, root, false, or UID:GID' })
const mount = text(
  'HOST:CONTAINER',
  'A storage or a path of the host, and where the app finds it; :ro for reading only',
)
const format = option('format', choice('text', 'stdout', 'json'), { about: 'text or json' })

export default definePlugin({
  name: 'storage',
  about: 'Gives apps folders that stay when containers go',
  api: 1,
  commands: [
    defineCommand({
      name: 'storage:ensure-directory',
      about: 'Make a storage unless it is there, and hand it to who writes into it',
      args: { chown, name },
      run: ({ name, chown }, context) => ensure(name, chown, context),
    }),

    defineCommand({
      name: 'storage:create',
      about: 'Make a storage',
      args: { chown, name },
      run({ name, chown }, context) {
        if (exists(name, context.core))
          throw new UserError('name-taken', `There is a storage ${name} already.`)
        return ensure(name, chown, context)
      },
    }),

    defineCommand({
      name: 'storage:destroy',
      about: 'Destroy a storage with all that is in it',
      args: { name },
      confirm: ({ name }) => ({ name, loses: `All that is in ${name} is lost.` }),
      async run({ name }, context) {
        const { core, out } = context
        get(name, core)
        const users = usersOf(name, core)
        if (users.length > 0)
          throw new UserError(
            'storage-used',
            `${name} is mounted by ${users.join(', ')}.`,
            `Unmount it first: storage:unmount ${users[0]} ${name}:/path`,
          )
        await mustWork(
          ['rm', '-rf', '--', `/storage/${name}`],
          { '/storage': { source: core.folder('storage') } },
          context,
        )
        out.step(`Destroyed ${name}`)
      },
    }),

    defineCommand({
      name: 'storage:mount',
      about: 'Mount a storage, or a folder of the host, for an app',
      args: { app: appName(), mount },
      run({ app, mount: word }, { core, out }) {
        core.apps.get(app)
        const mount = readMount(word, core)
        if (!mount.source.startsWith('/')) get(mount.source, core)
        const mounts = mountsOf(app, core)
        const other = mounts.find(each => each.target === mount.target)
        if (other)
          throw new UserError(
            'mount-taken',
            `Mount path already in use: ${textOf(other, core)}`,
            'Unmount that one first.',
          )
        setMounts(app, [...mounts, mount], core)
        out.detail(`In force with the next deploy, or: ps:restart ${app}`)
      },
    }),

    defineCommand({
      name: 'storage:unmount',
      about: 'Unmount it; what is in it stays',
      args: { app: appName(), mount },
      run({ app, mount: word }, { core, out }) {
        core.apps.get(app)
        const { source, target } = readMount(word, core)
        const isIt = (each: Mount) => each.source === source && each.target === target
        const mounts = mountsOf(app, core)
        if (!mounts.some(isIt))
          throw new UserError('mount-missing', 'Mount path does not exist.', `storage:list ${app}`)
        setMounts(
          app,
          mounts.filter(each => !isIt(each)),
          core,
        )
        out.detail(`In force with the next deploy, or: ps:restart ${app}`)
      },
    }),

    defineCommand({
      name: 'storage:list',
      about: 'List the mounts of an app; without one, the storages',
      reads: true,
      args: { app: optional(appName()), format },
      run({ app, format }, { core, out }) {
        if (app === undefined) {
          if (format === 'json') return out(JSON.stringify(list(core)))
          for (const name of list(core)) out(name)
          return
        }
        core.apps.get(app)
        const mounts = mountsOf(app, core)
        if (format === 'json') {
          const rows = mounts.map(({ source, target, readOnly }) => ({
            ...{ host_path: pathOf(source, core), container_path: target },
            volume_options: readOnly ? 'ro' : '',
          }))
          return out(JSON.stringify(rows))
        }
        out.step(`${app} volume bind-mounts:`)
        for (const each of mounts) out(`       ${textOf(each, core)}`)
      },
    }),

    defineCommand({
      name: 'storage:info',
      about: 'Show where a storage is, how large, and who mounts it',
      reads: true,
      args: { name },
      async run({ name }, context) {
        const { core, out } = context
        const path = get(name, core)
        const rows = { name, path, 'mounted-by': usersOf(name, core).join(' ') }
        for (const [key, value] of Object.entries(rows))
          out(`       ${`${key}:`.padEnd(14)}${value}`.trimEnd())
        await mustWork(['du', '-sh', '/storage'], { '/storage': { source: path, readOnly: true } }, context)
      },
    }),

    defineCommand({
      name: 'storage:list-entries',
      about: 'List what is in a storage',
      reads: true,
      args: { name, path: optional(text('PATH', 'A folder in it')) },
      async run({ name, path = '.' }, context) {
        const mounts = { '/storage': { source: get(name, context.core), readOnly: true } }
        return work(['ls', '-la', '--', inside(path)], mounts, context)
      },
    }),

    defineCommand({
      name: 'storage:exec',
      about: 'Run a command as root beside a storage, which stands at /storage',
      args: { name, command: words('COMMAND', 'As it is; a shell unless given') },
      run: ({ name, command }, context) =>
        work(
          command.length > 0 ? command : ['/bin/bash'],
          { '/storage': { source: get(name, context.core) } },
          { ...context, terminal: context.session.terminal },
        ),
    }),

    defineReport({
      name: 'storage',
      facts(app, core) {
        const mounts = mountsOf(app, core)
          .map(each => `-v ${textOf(each, core)}`)
          .join(' ')
        return { 'build-mounts': '', 'deploy-mounts': mounts, 'run-mounts': mounts }
      },
    }),
  ],
  hooks: {
    shapeContainer(spec, { app }, { core }) {
      const mounts = mountsOf(app.name, core).map(({ source, target, readOnly }) => [
        target,
        { source: pathOf(source, core), ...(readOnly ? { readOnly } : {}) },
      ])
      return { ...spec, mounts: { ...spec.mounts, ...Object.fromEntries(mounts) } }
    },
  },
})

async function ensure(name: string, chown: string | undefined, context: CommandContext): Promise<void> {
  const { core, out } = context
  const path = make(name, core)
  out.step(`Ensuring ${path} exists`)
  if (chown !== undefined && chown !== 'false') {
    out.detail(`Setting directory ownership to ${chown}`)
    await mustWork(['chown', '-R', chown, '--', '/storage'], { '/storage': { source: path } }, context)
  }
  out.detail('Directory ready for mounting')
}

function get(name: string, core: Core): string {
  if (exists(name, core)) return pathOf(name, core)
  throw new UserError(
    'storage-missing',
    `There is no storage ${name}.`,
    `Make it: storage:ensure-directory ${name}`,
  )
}

function usersOf(name: string, core: Core): readonly AppName[] {
  const apps = core.apps.list().map(each => each.name)
  return apps.filter(app => mountsOf(app, core).some(each => each.source === name))
}

function inside(path: string): string {
  const parts = path.split('/').filter(each => each !== '' && each !== '.')
  if (parts.includes('..')) throw new UserError('bad-path', 'That leads out of the storage.')
  return ['/storage', ...parts].join('/')
}
