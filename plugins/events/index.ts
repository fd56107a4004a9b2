import {
  appName,
  choice,
  type DavitEvent,
  defineCommand,
  definePlugin,
  eventKinds,
  flag,
  option,
  optional,
  whole,
} from 'davit/plugin'

import { append, follow, last } from './book.ts'

const usually = 100

export default definePlugin({
  name: 'events',
  about: 'The log of what happened: who changed what, what failed, what broke down',
  api: 1,
  commands: [
    defineCommand({
      name: 'events',
      about: 'Show what happened, of one app or of all',
      reads: true,
      args: {
        app: optional(appName()),
        follow: flag('tail', { short: 't', about: 'Go on until you leave' }),
        lines: option('num', whole(0, 1_000_000), { short: 'n', about: `How many, ${usually} unless told` }),
        format: option('format', choice('stdout', 'json'), { about: 'stdout or json' }),
      },
      async run({ app, follow: goesOn, lines = usually, format }, { core, dir, out, signal }) {
        if (app) core.apps.get(app)
        const wanted = (event: DavitEvent) => app === undefined || event.app === app
        const line = (event: DavitEvent) => (format === 'json' ? JSON.stringify(event) : lineOf(event))
        const { events, end } = last(dir, { lines, wanted })
        for (const event of events) await out.flushed(line(event))
        if (!goesOn) return
        for await (const event of follow(dir, { from: end, signal }))
          if (wanted(event)) await out.flushed(line(event))
      },
    }),

    defineCommand({
      name: 'events:list',
      about: 'List the kinds of events that Davit itself tells',
      reads: true,
      run(_, { out }) {
        for (const kind of eventKinds) out(kind)
      },
    }),

    defineCommand({
      name: 'events:on',
      about: 'Write events down; they are unless this was turned off',
      run(_, { kv, out }) {
        kv.remove('off')
        out.step('Enabling event logging')
      },
    }),

    defineCommand({
      name: 'events:off',
      about: 'Write no more events down; what is there stays. The audit has no switch',
      run(_, { kv, out }) {
        kv.set('off', true)
        out.step('Disabling event logging')
      },
    }),
  ],
  hooks: {
    afterEvent(event, { dir, kv }) {
      if (kv.get('off') !== true) append(dir, event)
    },
  },
})

function lineOf({ at, level, by, text }: DavitEvent): string {
  const mark = { info: ' ', warning: '?', error: '!' }[level]
  const when = new Date(at).toISOString().slice(0, 19).replace('T', ' ')
  return `${when} ${mark} ${text}${by === 'davit' ? '' : ` [${by}]`}`
}
