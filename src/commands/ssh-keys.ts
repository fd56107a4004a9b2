import { readFile } from 'node:fs/promises'

import { messageOf, UserError } from '../errors.ts'
import { choice, option, optional, text } from '../plugin/args.ts'
import { type CommandContext, defineCommand } from '../plugin/command.ts'
import { readKey } from '../ssh/identity.ts'

export const about = 'Manage the SSH keys that may come in'

const fingerprint = option('fingerprint', word => word, { about: 'SHA256:…' })

export const commands = [
  defineCommand({
    name: 'ssh-keys:add',
    about: 'Let a key in: the public key comes on stdin (on the host itself a file may be named)',
    args: { name: text('NAME', 'Whose key it is'), file: optional(text('FILE', '- for stdin')) },
    async run({ name, file }, context) {
      const key = readKey(await keyText(file, context))
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

/** More than 64 KiB is no key; a terminal with nobody typing is not waited for. */
async function keyText(file: string | undefined, { session }: CommandContext): Promise<string> {
  if (file !== undefined && file !== '-') {
    if (!session.local)
      throw new UserError(
        'no-file',
        'A file can be named on the host itself only.',
        `Send the key on stdin: ssh-keys:add NAME < ${file}`,
      )
    return readFile(file, 'utf8').catch((error: unknown) => {
      throw new UserError(
        'no-file',
        `Cannot read ${file}: ${messageOf(error)}`,
        `Send the key on stdin instead: ssh-keys:add NAME < ${file}`,
      )
    })
  }
  if (session.terminal)
    throw new UserError('no-key', 'No key came in.', 'Send it on stdin: ssh HOST ssh-keys:add NAME < key.pub')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of session.stdin as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > 64 * 1024) throw new UserError('no-key', 'That is too long to be a key.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
