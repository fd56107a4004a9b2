import { randomBytes } from 'node:crypto'

import type { Queue } from '../deploy/queue.ts'
import { UserError } from '../errors.ts'
import type { GitStreams, Push, Repositories } from '../git/push.ts'
import type { Logger } from '../log.ts'
import type { Core } from '../plugin/core.ts'
import { readAppName } from '../plugin/names.ts'
import type { App, AppName, Call, Session } from '../types.ts'
import { createPushOut } from './output.ts'
import { report } from './report.ts'

export interface GitDesk {
  readonly core: Core
  readonly repositories: Repositories
  readonly accept: (app: App, push: Push, call: Call) => Promise<void>
  /** Waits while an app is getting or giving up the name. */
  readonly settled: (name: AppName, call: Call) => Promise<void>
  /** Pushes to one app wait for each other here. */
  readonly pushes: Queue
  readonly log: Logger
}

/** git's own three commands over SSH. The repository's path comes from the app's name alone, never from the line. */
export async function serveGit(words: readonly string[], session: Session, desk: GitDesk): Promise<number> {
  const service = words[0]!.slice('git-'.length)
  const name = readAppName((words[1] ?? '').replace(/^\/+/, '').replace(/\.git$/, ''))
  const streams = { ...pick(session), protocol: session.env.GIT_PROTOCOL }
  await desk.settled(name, aside(session))
  if (service !== 'receive-pack') {
    return desk.repositories.serve(
      desk.core.apps.get(name).name,
      service as 'upload-pack' | 'upload-archive',
      streams,
    )
  }
  const known = desk.core.apps.find(name) !== undefined
  return receivePush(await ensureApp(name, session, desk), { session, streams, known }, desk)
}

interface Incoming {
  readonly session: Session
  readonly streams: GitStreams
  /** The app was there before the push. */
  readonly known: boolean
}

/**
 * One push to an app at a time, until git has taken its refs: the next one is decided on what is there then. Answers git's exit code, or
 * the verdict's where git makes nothing of it.
 */
async function receivePush(app: App, { session, streams, known }: Incoming, desk: GitDesk): Promise<number> {
  const received = Promise.withResolvers<void>()
  let verdict = 0
  const decide = async (push: Push, call: Call) => {
    try {
      await desk.accept(app, push, call)
      return 0
    } catch (error) {
      return report(error, call.out, { log: desk.log, id: randomBytes(4).toString('hex') })
    }
  }
  const inTurn = (push: Push, call: Call) =>
    new Promise<number>((resolve, reject) => {
      const turn = desk.pushes.exclusive(
        app.name,
        `${call.by.person}'s push (${app.name})`,
        call,
        async () => {
          resolve(await decide(push, call))
          await received.promise
        },
      )
      turn.catch(reject)
    })
  try {
    const exit = await desk.repositories.receive(app.name, streams, async (push, { say, signal, keep }) => {
      const call = { by: session.by, out: createPushOut(say), signal, live: keep }
      if (!known) call.out.step(`${app.name} is new: this push makes the app`)
      verdict = await inTurn(push, call).catch((error: unknown) =>
        report(error, call.out, { log: desk.log, id: 'push' }),
      )
      return verdict
    })
    return exit || verdict
  } finally {
    received.resolve()
  }
}

/** git's own protocol is on stdout; words go beside it. */
function aside({ by, stderr, signal }: Session): Call {
  return { by, out: createPushOut(line => void stderr.write(`${line}\n`)), signal }
}

function pick({ stdin, stdout, stderr, signal }: Session) {
  return { stdin, stdout, stderr, signal }
}

/** A push to a name that no app has makes the app, unless the host was told otherwise. */
async function ensureApp(name: AppName, session: Session, { core }: GitDesk): Promise<App> {
  const found = core.apps.find(name)
  if (found) return found
  if (core.properties.get('apps', undefined, 'disable-autocreation') === 'true') {
    throw new UserError('app-missing', `App ${name} does not exist`, `Make it first: apps:create ${name}`, {
      exit: 20,
    })
  }
  return core.apps.create(name, aside(session))
}
