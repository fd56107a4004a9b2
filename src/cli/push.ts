import { randomBytes } from 'node:crypto'

import { UserError } from '../errors.ts'
import type { Push, Repositories } from '../git/push.ts'
import type { Logger } from '../log.ts'
import type { Core } from '../plugin/core.ts'
import { readAppName } from '../plugin/names.ts'
import type { App, Call, Session } from '../types.ts'
import { createOut, createPushOut } from './output.ts'
import { report } from './report.ts'

export interface GitDesk {
  readonly core: Core
  readonly repositories: Repositories
  readonly accept: (app: App, push: Push, call: Call) => Promise<void>
  readonly log: Logger
}

/** git's own three commands over SSH. The repository's path comes from the app's name alone, never from the line. */
export async function serveGit(words: readonly string[], session: Session, desk: GitDesk): Promise<number> {
  const service = words[0]!.slice('git-'.length)
  const name = readAppName((words[1] ?? '').replace(/^\/+/, '').replace(/\.git$/, ''))
  const streams = { ...pick(session), protocol: session.env.GIT_PROTOCOL }
  if (service !== 'receive-pack') {
    return desk.repositories.serve(
      desk.core.apps.get(name).name,
      service as 'upload-pack' | 'upload-archive',
      streams,
    )
  }
  const app = await ensureApp(name, session, desk)
  return desk.repositories.receive(app.name, streams, async (push, { say, signal }) => {
    const out = createPushOut(say)
    try {
      await desk.accept(app, push, { by: session.by, out, signal })
      return 0
    } catch (error) {
      return report(error, out, { log: desk.log, id: randomBytes(4).toString('hex') })
    }
  })
}

function pick({ stdin, stdout, stderr, signal }: Session) {
  return { stdin, stdout, stderr, signal }
}

/** A push to a name that no app has makes the app, unless the host was told otherwise. */
async function ensureApp(
  name: ReturnType<typeof readAppName>,
  session: Session,
  { core }: GitDesk,
): Promise<App> {
  const found = core.apps.find(name)
  if (found) return found
  if (core.properties.get('apps', undefined, 'disable-autocreation') === 'true') {
    throw new UserError('app-missing', `App ${name} does not exist`, `Make it first: apps:create ${name}`, {
      exit: 20,
    })
  }
  return core.apps.create(name, {
    by: session.by,
    out: createOut(session, { plain: true, terminal: false }),
    signal: session.signal,
  })
}
