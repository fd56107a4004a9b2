import { UserError } from '../errors.ts'
import { choice, option, optional, text } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { readInput } from '../plugin/input.ts'
import { readKey } from '../ssh/identity.ts'

export const about = 'Manage the SSH keys that may come in'

const fingerprint = option('fingerprint', word => word, { about: 'SHA256:…' })

export const commands = [
  defineCommand({
    name: 'ssh-keys:add',
    about: 'Let a key in: the public key comes on stdin (on the host itself a file may be named)',
    args: { name: text('NAME', 'Whose key it is'), file: optional(text('FILE', '- for stdin')) },
    async run({ name, file }, context) {
      const usage = 'ssh-keys:add NAME'
      const input = await readInput(context, { file, what: 'key', most: 64 * 1024, usage })
      const key = readKey(input.toString('utf8'))
      const { fingerprint } = context.core.access.addKey(name, key)
      context.out(fingerprint)
    },
  }),

  defineCommand({
    name: 'ssh-keys:list',
    about: 'List the keys',
    reads: true,
    args: {
      name: optional(text('NAME')),
      format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
    },
    run({ name, format }, { core, out }) {
      const keys = core.access.keys().filter(each => name === undefined || each.name === name)
      if (format === 'json')
        return out(
          JSON.stringify(
            keys.map(({ fingerprint, name, type, role }) => ({ fingerprint, name, type, role })),
          ),
        )
      if (keys.length === 0)
        throw new UserError(
          'key-missing',
          name ? `No key is called ${name}.` : 'There are no keys yet.',
          'Add one with: ssh-keys:add NAME < key.pub',
        )
      for (const { fingerprint, name, type, role } of keys)
        out(`${fingerprint} NAME="${name}" TYPE="${type}" ROLE="${role}"`)
    },
  }),

  defineCommand({
    name: 'ssh-keys:remove',
    about: 'Let a key in no longer',
    args: { name: optional(text('NAME')), fingerprint, force: forceFlag() },
    run({ name, fingerprint, force }, { core, out }) {
      if ((name === undefined) === (fingerprint === undefined)) {
        throw new UserError(
          'bad-usage',
          'Name the key, or give its fingerprint.',
          'Usage: ssh-keys:remove NAME, or ssh-keys:remove --fingerprint SHA256:…',
        )
      }
      const which = name === undefined ? { fingerprint: fingerprint! } : { name }
      for (const key of core.access.removeKey(which, { force })) out(`Removed ${key.name} ${key.fingerprint}`)
    },
  }),
]

function forceFlag() {
  return {
    place: 'flag',
    label: 'force',
    about: 'Even the last one',
    read: (words: readonly string[]) => words.length > 0,
  } as const
}
