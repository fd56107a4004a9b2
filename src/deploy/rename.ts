import { ownCall, type Rooms } from '../core/rooms.ts'
import type { App, AppName, Step } from '../types.ts'
import { crashAt } from './crash.ts'
import { imageTag } from './image.ts'

/** An app's new name as a recorded step: its row first, then what goes by the name. It only goes forward; a restart finishes it. */
export const renaming = {
  /** Within a transaction. UserError `name-taken`, `domain-taken`. */
  begin(app: App, to: AppName, { store }: Rooms): { app: App; step: Step } {
    const renamed = store.apps.rename(app.name, to)
    const step = store.steps.begin(to, { kind: 'rename', phase: 'renamed', data: { was: app.name } })
    return { app: renamed, step }
  },

  /** Repository, image tags and route. Whatever was done before is passed over. */
  async finish(step: Step, rooms: Rooms): Promise<void> {
    const was = step.data.was as AppName
    const app = rooms.store.apps.find(step.app)
    if (!app) return
    await rooms.repositories.rename(was, app.name)
    crashAt('rename:moved', rooms.settings)
    await retag(was, app, rooms)
    // Its hostnames lead to it all the time: under the new name first.
    await rooms.edge.rename(was, app.name)
    await rooms.routes.refresh(app, ownCall(rooms))
    await rooms.routes.forget(was)
    rooms.store.steps.done(step)
  },
}

async function retag(was: AppName, app: App, rooms: Rooms): Promise<void> {
  for (const { number, image } of rooms.store.releases.list(app.name)) {
    if (!(await rooms.engine.image(image))) continue
    await rooms.engine.tag(image, imageTag(app.name, number, rooms))
    await rooms.engine.removeImage(imageTag(was, number, rooms))
  }
}
