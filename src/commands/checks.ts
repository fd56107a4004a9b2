import { whole } from '../plugin/args.ts'
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
  ],
}

export const commands = [defineReport(topic), defineSet(topic)]
