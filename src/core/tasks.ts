import { randomHex } from '../deploy/random.ts'
import { siteIn } from '../deploy/site.ts'
import { specOf } from '../deploy/spec.ts'
import { withTask } from '../deploy/task.ts'
import { UserError } from '../errors.ts'
import type { RunIo } from '../plugin/core.ts'
import type { App, Call, ContainerSpec } from '../types.ts'
import type { Rooms } from './rooms.ts'

/** A fresh container of the live release, with the person at its other end. Answers the command's exit code; removes the container. */
export async function runTask(
  app: App,
  words: readonly string[],
  io: RunIo,
  { call, rooms }: { call: Call; rooms: Rooms },
): Promise<number> {
  const { engine } = rooms
  const { terminal, ...streams } = io
  const spec = await taskSpec(app, words, io, { call, rooms })
  const task = { app: app.name, kind: 'run', spec, interactive: { tty: terminal !== undefined } }
  return withTask(task, rooms, async name => {
    const attached = await engine.attach(name, { ...streams, ...(terminal ? { terminal } : {}) })
    await engine.start(name)
    const [code] = await Promise.all([engine.wait(name, { signal: io.signal }), attached.done])
    return code
  })
}

/** A process name alone runs that process's line; other words run as they are. */
async function taskSpec(
  app: App,
  words: readonly string[],
  { env }: RunIo,
  { call, rooms }: { call: Call; rooms: Rooms },
): Promise<ContainerSpec> {
  const release = rooms.store.releases.live(app.name)
  if (!release)
    throw new UserError(
      'not-deployed',
      `${app.name} was never deployed; there is no image to run.`,
      `Push it first: git push davit main`,
    )
  if (siteIn(release.image) !== undefined)
    throw new UserError('no-image', `${app.name} is a folder of files; there is no image to run.`)
  const [name = ''] = words
  const line =
    words.length === 1 && Object.hasOwn(release.procfile, name) ? release.procfile[name] : undefined
  const { spec } = await specOf('run', { app, release, line: line ?? '' }, call, rooms)
  const command = line === undefined ? words : spec.command
  return { ...spec, command, env: { ...spec.env, DYNO: `run.${randomHex(4)}`, ...env } }
}
