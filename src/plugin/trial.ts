import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

import { messageOf } from '../errors.ts'
import { plainEnv } from '../settings.ts'
import { explain } from './blame.ts'
import { createReader } from './load.ts'

/** What is known of a plugin that was read to see whether it can be. */
export type Trial = { readonly name: string } | { readonly reason: string }

/** Reads the plugin in a folder, in a process of its own, which it may block or end; the last line is the outcome. */
async function tryOut(folder: string): Promise<Trial> {
  const nothing = async () => undefined
  const read = createReader({ user: undefined, env: plainEnv(), checkout: nothing })
  const found = await read({ name: '', folder, version: '', origin: 'installed' })
  return 'reason' in found ? found : { name: found.plugin.name }
}

if (isMainThread && process.argv[1] === import.meta.filename) {
  const folder = process.argv[2]!
  const end = () =>
    writeSync(1, outcome({ reason: explain(new Error('it ended the process that read it'), folder) }))
  process.on('exit', end)
  const trial = await tryOut(folder).catch((error: unknown) => ({ reason: messageOf(error) }))
  process.off('exit', end)
  process.stdout.write(outcome(trial), () => process.exit(0))
}

function outcome(trial: Trial): string {
  return `\n${JSON.stringify(trial)}\n`
}
