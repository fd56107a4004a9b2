import { ownCall, type Rooms } from '../core/rooms.ts'
import { appMissing, UserError } from '../errors.ts'
import type { App, AppName, Call, Step } from '../types.ts'
import { crashAt } from './crash.ts'
import { imageTag } from './image.ts'

/** An app's new name as a recorded step: its row first, then what goes by the name. It only goes forward; a restart finishes it. */
export const renaming = {
  /**
   * Both names are nobody else's meanwhile: changes of either wait. In one order everywhere, so that two renamings never wait for each
   * other.
   */
  async exclusive<T>(
    names: readonly [AppName, AppName],
    call: Call,
    rooms: Rooms,
    work: () => Promise<T>,
  ): Promise<T> {
    const [first, second] = names.toSorted()
    const what = `the renaming of ${names[0]}`
    const { queue } = rooms
    if (first === second) return queue.exclusive(first!, what, call, work)
    return queue.exclusive(first!, what, call, () => queue.exclusive(second!, what, call, work))
  },

  /** Within a transaction. UserError `name-taken`, `domain-taken`. */
  begin(app: App, to: AppName, { store }: Rooms): { app: App; step: Step } {
    const renamed = store.apps.rename(app.name, to)
    const step = store.steps.begin(to, { kind: 'rename', phase: 'renamed', data: { was: app.name } })
    return { app: renamed, step }
  },

  /** Repository, image tags, route, and those who keep something by the name. Whatever was done before is passed over. */
  async finish(step: Step, call: Call, rooms: Rooms): Promise<void> {
    const was = step.data.was as AppName
    const app = rooms.store.apps.find(step.app)
    if (!app) return
    await rooms.repositories.rename(was, app.name)
    crashAt('rename:moved', rooms.settings)
    await retag(was, app, rooms)
    crashAt('rename:tagged', rooms.settings)
    // Its hostnames lead to it all the time: under the new name first.
    await rooms.edge.rename(was, app.name)
    await rooms.routes.refresh(app, ownCall(rooms))
    crashAt('rename:pointed', rooms.settings)
    await rooms.routes.forget(was)
    rooms.events.tell({
      kind: 'app-renamed',
      app: app.name,
      by: call.by.person,
      text: `${was} is called ${app.name} now.`,
      data: { was },
    })
    await rooms.hooks.afterRename({ app, was }, { ...call, signal: rooms.last })
    crashAt('rename:told', rooms.settings)
    rooms.store.steps.done(step)
  },

  /**
   * Waits while an app is getting or giving up the name. UserError `app-renamed` where it was given up, `name-taken` where that could
   * not be finished.
   */
  async settled(name: AppName, call: Call, rooms: Rooms): Promise<void> {
    const step = underWay(name, rooms)
    if (!step) return
    await rooms.queue.exclusive(name, `a look at ${name}`, call, async () => undefined)
    if (step.data.was === name) throw renamedTo(name, step.app)
    if (underWay(name, rooms)) throw halfRenamed(name)
  },

  /** Whose renaming is not finished keeps both names. UserError `name-taken`. */
  refuse(name: AppName, rooms: Pick<Rooms, 'store'>): void {
    if (underWay(name, rooms)) throw halfRenamed(name)
  },
}

/** The app, if it is there by its name still. UserErrors `app-renamed`, `app-missing`. */
export function refuseMoved(app: App, { store }: Pick<Rooms, 'store'>): void {
  const now = store.apps.list().find(each => each.id === app.id && !each.retired)
  if (!now) throw appMissing(app.name)
  if (now.name !== app.name) throw renamedTo(app.name, now.name)
}

function renamedTo(was: AppName, name: AppName): UserError {
  return new UserError(
    'app-renamed',
    `${was} is called ${name} now; nothing was changed.`,
    `Say ${name}. The URL of a remote is set with: git remote set-url davit URL`,
  )
}

function halfRenamed(name: AppName): UserError {
  return new UserError('name-taken', `${name} is just being renamed.`, 'Try again in a moment.')
}

function underWay(name: AppName, { store }: Pick<Rooms, 'store'>): Step | undefined {
  return store.steps
    .list()
    .find(each => each.kind === 'rename' && (each.data.was === name || each.app === name))
}

async function retag(was: AppName, app: App, rooms: Rooms): Promise<void> {
  for (const { number, image } of rooms.store.releases.list(app.name)) {
    if (!(await rooms.engine.image(image))) continue
    await rooms.engine.tag(image, imageTag(app.name, number, rooms))
    await rooms.engine.removeImage(imageTag(was, number, rooms))
  }
}
