import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

import { plainEnv } from '../settings.ts'
import { explain } from './blame.ts'
import { createReader } from './load.ts'

/** What is known of a plugin that was read to see whether it can be. */
export type Trial = { readonly name: string } | { readonly reason: string }

/** Reads the plugin in a folder, in a process of its own, which it may block or end; the last line is the outcome. */
async function tryOut(folder: string): Promise<void> {
  const end = () => say({ reason: explain(new Error('it ended the process that read it'), folder) })
  process.on('exit', end)
  const nothing = async () => undefined
  const read = createReader({ user: undefined, env: plainEnv(), checkout: nothing })
  const found = await read({ name: '', folder, version: '', origin: 'installed' })
  process.off('exit', end)
  if ('plugin' in found) return say({ name: found.plugin.name })
  say({ reason: found.reason })
  // V8 keeps to itself where it stopped reading: Node shows it of what nobody catches.
  if (found.error instanceof SyntaxError) throw found.error
}

function say(trial: Trial): void {
  writeSync(1, `\n${JSON.stringify(trial)}\n`)
}

if (isMainThread && process.argv[1] === import.meta.filename) {
  await tryOut(process.argv[2]!)
  process.exit(0)
}
