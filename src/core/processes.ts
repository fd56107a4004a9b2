import { isStopped, respread } from '../deploy/deploy.ts'
import { formationOf } from '../deploy/spec.ts'
import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import { isProcessName } from '../plugin/names.ts'
import type { App, AppName, Container, Formation } from '../types.ts'
import { getApp, stopApp } from './apps.ts'
import { containersOf, type Rooms } from './rooms.ts'

export function createProcesses(rooms: Rooms): Core['processes'] {
  const { store } = rooms
  return {
    formation: app => formationNow(app, rooms),

    async scale(name, counts, { rollout }, call) {
      const app = getApp(name, rooms)
      checkCounts(app, counts, rooms)
      const onLive = () => store.formation.set(name, counts)
      if (rollout) await respread(app, { what: `ps:scale ${name}`, formation: counts, onLive }, call, rooms)
      else onLive()
    },

    async restart(name, { process }, call) {
      const app = getApp(name, rooms)
      if (process !== undefined) mustHave(app, process, rooms)
      const fresh = (each: Container) => process === undefined || each.process === process
      await respread(app, { what: `ps:restart ${name}`, fresh, takesConfig: true }, call, rooms)
    },

    stop: async (name, call) => stopApp(getApp(name, rooms), call, rooms),

    async start(name, call) {
      const app = getApp(name, rooms)
      const onLive = () => store.properties.set('ps', name, 'stopped', undefined)
      await respread(app, { what: `ps:start ${name}`, starts: true, takesConfig: true, onLive }, call, rooms)
    },

    stopped: name => isStopped(getApp(name, rooms), rooms),

    async status(name) {
      const infos = await containersOf(name, rooms)
      return store.containers
        .of(name)
        .filter(each => each.state === 'wanted')
        .map(each => {
          const info = infos.find(info => info.name === each.name)
          const says = info?.state ?? 'missing'
          return { ...each, running: says === 'running', says }
        })
    },
  }
}

/** Before the first deploy nobody knows the processes: as set, with one web. */
function formationNow(app: AppName, { store }: Rooms): Formation {
  const set = store.formation.of(app)
  const live = store.releases.live(app)
  return live
    ? formationOf(live.procfile, set)
    : formationOf({ web: '', ...Object.fromEntries(Object.keys(set).map(each => [each, ''])) }, set)
}

function checkCounts(app: App, counts: Formation, rooms: Rooms): void {
  for (const process of Object.keys(counts)) {
    if (process === 'release')
      throw new UserError('bad-process', 'release is run once per release; it cannot be scaled.')
    if (!isProcessName(process))
      throw new UserError('bad-process', `${JSON.stringify(process)} cannot be a process name.`)
    mustHave(app, process, rooms)
  }
}

function mustHave(app: App, process: string, { store }: Rooms): void {
  const live = store.releases.live(app.name)
  if (!live || (Object.hasOwn(live.procfile, process) && process !== 'release')) return
  const known = Object.keys(formationOf(live.procfile, {})).join(', ')
  throw new UserError(
    'process-missing',
    `${app.name} has no process ${process}.`,
    known ? `It has: ${known}` : 'It is a folder of files, which needs no process.',
  )
}
