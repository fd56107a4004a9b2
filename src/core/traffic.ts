import { join } from 'node:path'

import { formOf, sentenceOf } from '../edge/entries.ts'
import { logFile, readLog } from '../edge/logs.ts'
import type { Core, TrafficForm } from '../plugin/core.ts'
import type { AppName } from '../types.ts'
import type { Rooms } from './rooms.ts'

/** What the proxy tells of the requests it has served. */
export function createTraffic(rooms: Rooms): Core['traffic'] {
  return {
    async *log(app, form, options) {
      for await (const line of readLog(placeOf(app, form, rooms), options)) yield formed(line, form)
    },
    metrics: app => rooms.edge.metrics(app),
    upgrade: () => rooms.edge.upgrade(),
  }
}

/** It goes with the app: to another name, or away. */
function placeOf(name: AppName | undefined, form: TrafficForm, { settings, store }: Rooms) {
  const pathOf = (app?: string) =>
    join(settings.data, 'proxy/logs', logFile(app, form.startsWith('errors') ? 'error' : 'access'))
  if (name === undefined) return () => pathOf()
  const id = store.apps.find(name)?.id
  return () => {
    const app = store.apps.list().find(each => each.id === id && !each.retired)
    return app && pathOf(app.name)
  }
}

function formed(line: string, form: TrafficForm): string {
  if (form === 'json' || form === 'combined') return formOf(line, form)
  return form === 'errors' ? sentenceOf(line) : line
}
