import { respread } from '../deploy/deploy.ts'
import { messageOf, UserError } from '../errors.ts'
import { changeAround, trail } from '../plugin/trail.ts'
import type { AppName, Call } from '../types.ts'
import { findApp } from './apps.ts'
import { ownCall, type Rooms } from './rooms.ts'

/** What one person, one job or one call of a plugin does, with the rollouts that follow from it. */
export interface Operations {
  /**
   * The work, and then new containers for the apps that plugins asked them for meanwhile, each app once. Within another operation it is
   * part of that one. UserError `redeploy-failed` when an app's did not come about.
   */
  during<T>(call: Call, work: () => Promise<T>): Promise<T>
  /** UserError `inside-change` from within a rollout, which would never end. Outside of any operation it is done soon. */
  ask(app: AppName, reason: string): void
}

export function createOperations(rooms: () => Rooms): Operations {
  const soon: Asked = new Map()
  let count = 0
  const rollOut = async (asked: Asked, call: Call) => {
    const failed: string[] = []
    for (const [name, reasons] of asked) {
      asked.delete(name)
      const app = findApp(name, rooms())
      if (!app) continue
      const what = [...reasons].join(', ')
      await respread(app, { what, takesConfig: true }, call, rooms()).catch((error: unknown) => {
        if (!(error instanceof UserError)) rooms().log.error({ err: error, app: name }, 'a redeploy failed')
        failed.push(`${name}: ${messageOf(error)}`)
      })
    }
    if (failed.length === 0) return
    const hint = 'What was asked for is stored; the old containers go on.'
    throw new UserError('redeploy-failed', failed.join('\n'), hint)
  }

  const during = async <T>(call: Call, work: () => Promise<T>): Promise<T> => {
    const around = trail.getStore()
    if (around?.asked) return work()
    const asked: Asked = new Map()
    const [result] = await Promise.allSettled([trail.run({ ...around, asked }, work)])
    // What a command has stored before it failed is to come about all the same.
    await trail
      .run({}, () => rollOut(asked, call))
      .catch((error: unknown) => {
        if (result.status === 'fulfilled') throw error
        call.out.warn(messageOf(error))
      })
    if (result.status === 'rejected') throw result.reason
    return result.value
  }

  return {
    during,
    ask(app, reason) {
      refuseInside(app)
      const { asked } = trail.getStore() ?? {}
      if (asked) return note(asked, app, reason)
      note(soon, app, reason)
      // Others may ask before this turn is over; who comes second finds nothing left to do.
      rooms().background.run(`redeploy ${++count}`, async () => {
        await Promise.resolve()
        await rollOut(soon, ownCall(rooms()))
      })
    },
  }
}

type Asked = Map<AppName, Set<string>>

function note(asked: Asked, app: AppName, reason: string): void {
  asked.set(app, new Set([...(asked.get(app) ?? []), reason]))
}

/** A rollout of the app, which takes up all that is stored by now, answers what was asked for it in this operation. */
export function answered(app: AppName): void {
  trail.getStore()?.asked?.delete(app)
}

function refuseInside(app: AppName): void {
  const around = changeAround()
  const hears = trail.getStore()?.at === 'afterEvent'
  if (!around && !hears) return
  throw new UserError(
    'inside-change',
    hears
      ? `A redeploy of ${app} cannot be asked for while hearing of an event: it would be another one.`
      : `${around!.plugin} asks for a redeploy of ${app} from its ${around!.at}, within a change of ${around!.app}.`,
    'Ask for it from a command, a job or afterConfig.',
  )
}
