import { appName, one, option, whole } from '../plugin/args.ts'
import { defineCommand } from '../plugin/command.ts'
import { defineReport, defineSet, type Topic } from '../plugin/property.ts'

export const about = 'Manage how new containers are judged ready, and old ones let go'

const seconds = (least: number, most: number) => (value: string) => String(whole(least, most)(value))

const topic: Topic = {
  name: 'checks',
  properties: [
    {
      key: 'deadline',
      about: 'Seconds that a new container has to become ready',
      where: 'both',
      fallback: '60',
      read: seconds(1, 3600),
    },
    {
      key: 'wait-to-retire',
      about: 'Seconds that open requests keep an old container',
      where: 'both',
      fallback: '30',
      read: seconds(0, 3600),
    },
    {
      key: 'websocket-wait',
      about: 'Seconds that open WebSockets keep an old container; as wait-to-retire unless set',
      where: 'both',
      fallback: (core, app) =>
        (app === undefined
          ? core.properties.get('checks', undefined, 'wait-to-retire')
          : core.properties.inForce('checks', app, 'wait-to-retire', '30')) ?? '30',
      read: seconds(0, 24 * 3600),
    },
    {
      key: 'canary',
      about: 'Percent of the clients that see a pushed release first; 0: none',
      where: 'both',
      fallback: '0',
      read: seconds(0, 100),
    },
    {
      key: 'canary-seconds',
      about: 'Seconds that a pushed release is on trial',
      where: 'both',
      fallback: '60',
      read: seconds(1, 24 * 3600),
    },
    {
      key: 'canary-factor',
      about: 'How many times worse than the old release it may be, in errors and in its p95',
      where: 'both',
      fallback: '2',
      read: seconds(1, 100),
    },
  ],
}

export const commands = [
  defineReport(topic),
  defineSet(topic),
  defineCommand({
    name: 'checks:canary',
    about:
      'Show pushed releases to some of the clients first, and take back what is worse than the old one; 0 ends it',
    args: {
      app: appName(),
      percent: one('PERCENT', 'Of the clients: 0 to 100', whole(0, 100)),
      seconds: option('seconds', whole(1, 24 * 3600), { about: 'How long; 60 unless told' }),
      factor: option('factor', whole(1, 100), { about: 'How many times worse it may be; 2 unless told' }),
    },
    run({ app, percent, seconds, factor }, { core, out }) {
      core.apps.get(app)
      const set = (key: string, value: number) => core.properties.set('checks', app, key, String(value))
      set('canary', percent)
      if (seconds !== undefined) set('canary-seconds', seconds)
      if (factor !== undefined) set('canary-factor', factor)
      const time = core.properties.inForce('checks', app, 'canary-seconds', '60')
      if (percent === 0) out(`Releases of ${app} go live without a trial`)
      else out(`Releases pushed to ${app} are shown to ${percent} % of its clients for ${time} s first`)
    },
  }),
]
