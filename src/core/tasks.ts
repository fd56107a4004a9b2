import { randomHex } from '../deploy/random.ts'
import { siteIn } from '../deploy/site.ts'
import { specOf } from '../deploy/spec.ts'
import { withTask } from '../deploy/task.ts'
import { UserError } from '../errors.ts'
import type { RunIo } from '../plugin/core.ts'
import type { App, Call, Container, ContainerSpec } from '../types.ts'
import type { Rooms } from './rooms.ts'

/** Words as they are, or a line for the app's own shell. */
type What = { readonly words: readonly string[] } | { readonly line: string }

/** A fresh container of the live release, with the person at its other end. Answers the command's exit code; removes the container. */
export async function runTask(
  app: App,
  what: What,
  io: RunIo,
  { call, rooms }: { call: Call; rooms: Rooms },
): Promise<number> {
  const { engine } = rooms
  const { terminal, ...streams } = io
  const spec = await taskSpec(app, what, io, { call, rooms })
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
  what: What,
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
  const words = 'words' in what ? what.words : []
  const [name = ''] = words
  const isProcess = words.length === 1 && Object.hasOwn(release.procfile, name)
  const line = 'line' in what ? what.line : isProcess ? release.procfile[name] : undefined
  const { spec } = await specOf('run', { app, release, line: line ?? '' }, call, rooms)
  const command = line === undefined ? words : spec.command
  return { ...spec, command, env: { ...spec.env, DYNO: `run.${randomHex(4)}`, ...env } }
}

/** A command in a running container. Answers its exit code; 255 where it cannot be known any more. */
export async function execIn(
  { name }: Container,
  words: readonly string[],
  { terminal, ...io }: RunIo,
  { engine }: Rooms,
): Promise<number> {
  const attached = await engine.exec(name, words, { ...io, ...(terminal ? { terminal } : {}) })
  return (await attached.done) ?? 255
}
