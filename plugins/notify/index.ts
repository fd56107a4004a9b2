import { randomBytes, randomUUID } from 'node:crypto'

import {
  type CommandContext,
  choice,
  type DavitEvent,
  defineCommand,
  definePlugin,
  defineReport,
  defineSet,
  one,
  option,
  readInput,
  UserError,
} from 'davit/plugin'

import { type Channel, deliver } from './channel.ts'
import { channels, post, postAgain, putChannel, removeChannel } from './letterbox.ts'
import { channelsFor, topic } from './wishes.ts'

const name = one('NAME', "The channel's own name", word => {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(word) && word !== 'all') return word
  throw new UserError('bad-name', `${JSON.stringify(word)} cannot be a channel's name.`)
})
const address = (word: string) => {
  if (/^[^\s<>"@]+@[^\s<>"@]+$/.test(word)) return word
  throw new UserError('bad-address', `${JSON.stringify(word)} is no e-mail address.`)
}

export default definePlugin({
  name: 'notify',
  about: 'Tells people what happens: in Slack or Discord, by webhook, by e-mail',
  api: 1,
  commands: [
    defineCommand({
      name: 'notify:add',
      about: "Tell a channel what happens. The webhook's URL, or the mail server's password, comes on stdin",
      args: {
        name,
        kind: one('KIND', 'slack, discord, json or email', choice('slack', 'discord', 'json', 'email')),
        to: option('to', address, { about: 'E-mail: who is told' }),
        from: option('from', address, { about: 'E-mail: who tells' }),
        server: option('server', word => word, { about: 'E-mail: smtp.example.com:587' }),
        user: option('user', word => word, {
          about: 'E-mail: who signs in there, with the password on stdin',
        }),
      },
      async run({ name, kind, ...mail }, context) {
        const { kv, out } = context
        if (channels({ kv })[name]) throw new UserError('name-taken', `There is a channel ${name} already.`)
        const channel = kind === 'email' ? await mailbox(mail, context) : await webhook(kind, context)
        putChannel(name, channel, { kv })
        out.step(`Added ${name}`)
        if (channel.kind === 'json') out(`Deliveries are signed with: ${channel.secret}`)
        out.detail(`Try it: notify:test ${name}`)
      },
    }),

    defineCommand({
      name: 'notify:remove',
      about: 'Tell a channel nothing any more',
      args: { name },
      run({ name }, { kv, out }) {
        get(name, { kv })
        removeChannel(name, { kv })
        out.step(`Removed ${name}`)
      },
    }),

    defineCommand({
      name: 'notify:list',
      about: 'List the channels',
      reads: true,
      run(_, { kv, out }) {
        for (const [name, channel] of Object.entries(channels({ kv })))
          out(`${name}  ${channel.kind}  ${channel.kind === 'email' ? channel.to : hostOf(channel.url)}`)
      },
    }),

    defineCommand({
      name: 'notify:test',
      about: 'Tell a channel something now, and say how it went',
      args: { name },
      async run({ name }, { kv, core, by, out, signal }) {
        const channel = get(name, { kv })
        const event: DavitEvent = {
          ...{ at: new Date(), kind: 'notify:test', level: 'info', app: undefined, by: by.person, data: {} },
          text: `${by.person} tries whether this channel is told.`,
        }
        const failed = await deliver({ id: randomUUID(), event, channel }, { core, signal })
        if (failed) throw new UserError('not-told', `${name} was not told: ${failed.reason}.`)
        out(`${name} was told`)
      },
    }),

    defineSet(topic),
    defineReport(topic),
  ],
  jobs: [
    {
      name: 'again',
      about: 'Tells what could not be told before',
      schedule: '* * * * *',
      timeoutMs: 600_000,
      run: postAgain,
    },
  ],
  hooks: {
    async afterEvent(event, context) {
      await post(event, channelsFor(event, Object.keys(channels(context)), context.core), context)
    },
  },
})

function get(name: string, context: Pick<CommandContext, 'kv'>): Channel {
  const channel = channels(context)[name]
  if (channel) return channel
  throw new UserError('no-channel', `There is no channel ${name}.`, 'See what there is: notify:list')
}

async function webhook(kind: 'slack' | 'discord' | 'json', context: CommandContext): Promise<Channel> {
  const usage = `notify:add NAME ${kind}`
  const url = (await readInput(context, { what: 'URL', most: 4096, usage })).toString('utf8').trim()
  if (!URL.canParse(url))
    throw new UserError('bad-url', 'What came on stdin is no URL.', `Usage: ${usage} < FILE`)
  return kind === 'json' ? { kind, url, secret: randomBytes(32).toString('hex') } : { kind, url }
}

interface Mail {
  readonly to: string | undefined
  readonly from: string | undefined
  readonly server: string | undefined
  readonly user: string | undefined
}

async function mailbox({ to, from, server, user }: Mail, context: CommandContext): Promise<Channel> {
  if (!to || !from || !server)
    throw new UserError(
      'bad-usage',
      'An e-mail channel needs --to, --from and --server.',
      'notify:add NAME email --to ann@example.com --from davit@example.com --server smtp.example.com:587',
    )
  const plain = { kind: 'email', to, from, server } as const
  if (user === undefined) return plain
  const usage = 'notify:add NAME email … --user USER'
  const password = (await readInput(context, { what: 'password', most: 4096, usage })).toString('utf8')
  return { ...plain, user, password: password.replace(/\r?\n$/, '') }
}

/** The rest of a webhook's URL is the secret. */
function hostOf(url: string): string {
  return new URL(url).host
}
