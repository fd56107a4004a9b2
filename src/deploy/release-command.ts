import type { Rooms } from '../core/rooms.ts'
import { UserError } from '../errors.ts'
import type { App, Call, Release } from '../types.ts'
import { exitText } from './diagnosis.ts'
import { specOf } from './spec.ts'
import { withTask } from './task.ts'

/** Runs the Procfile's `release` line in the new image; its output shows as it comes. UserError `release-failed` unless it exits 0. */
export async function runReleaseCommand(app: App, release: Release, call: Call, rooms: Rooms): Promise<void> {
  const line = release.procfile.release
  if (line === undefined) return
  call.out.step(`Running release command: ${line}`)
  const { spec } = await specOf('release', { app, release, line }, call, rooms)
  const task = { app: app.name, kind: 'release', spec: { ...spec, env: { ...spec.env, DYNO: 'release.1' } } }
  const code = await withTask(task, rooms, name => watch(name, call, rooms))
  if (code === 0) return
  throw new UserError(
    'release-failed',
    `The release command ${exitText(code)}.`,
    'Its output stands above. Mend it, commit and push again.',
  )
}

async function watch(name: string, { out, signal }: Call, { engine }: Rooms): Promise<number> {
  await engine.start(name)
  const show = async () => {
    for await (const { text } of engine.logs(name, { follow: true, signal })) out.detail(text)
  }
  const [code] = await Promise.all([engine.wait(name, { signal }), show()])
  return code
}
