import { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import type { Rooms } from '../core/rooms.ts'
import { Cancelled, UserError } from '../errors.ts'
import type { Service } from '../types.ts'
import { engineName, titleOf } from './service.ts'
import { lastLines } from './tail.ts'

/** UserErrors `service-ended`, `service-not-ready`, each with what was said last; Cancelled. */
export async function awaitReady(service: Service, signal: AbortSignal, rooms: Rooms): Promise<void> {
  const { ready, readyWithinMs = 60_000 } = rooms.store.services.spec(service)
  const name = engineName(service, rooms)
  const late = AbortSignal.timeout(readyWithinMs)
  const both = AbortSignal.any([signal, late])
  let said = ''
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 1_000)) {
    const info = await rooms.engine.inspect(name)
    if (info?.state !== 'running')
      throw new UserError(
        'service-ended',
        `${titleOf(service)} ended while it started, with exit code ${info?.exitCode ?? 'unknown'}.`,
        await ending(name, rooms),
      )
    const asked = await ask(name, ready, both, rooms)
    if (asked.code === 0) return
    if (!both.aborted) said = asked.said
    await pause(waitMs, undefined, { signal: both }).catch(() => undefined)
    if (signal.aborted) throw new Cancelled('Cancelled; nothing changed.')
    if (late.aborted)
      throw new UserError(
        'service-not-ready',
        `${titleOf(service)} was not ready within ${readyWithinMs / 1000} s.`,
        said || (await ending(name, rooms)),
      )
  }
}

async function ask(name: string, words: readonly string[], signal: AbortSignal, { engine }: Rooms) {
  const kept = endOf()
  try {
    const { done } = await engine.exec(name, words, { stdout: kept.out, stderr: kept.out, signal })
    return { code: await done, said: kept.text() }
  } catch (error) {
    // It ended meanwhile, or there is no time left: the next look tells.
    if (signal.aborted || (error instanceof UserError && error.code === 'not-running'))
      return { code: undefined, said: '' }
    throw error
  }
}

async function ending(name: string, { engine }: Rooms): Promise<string> {
  return (await lastLines(name, 20, engine)).join('\n')
}

/** Keeps the end of what is written to it. */
export function endOf(): { readonly out: Writable; readonly text: () => string } {
  let kept = ''
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      kept = (kept + chunk.toString('utf8')).slice(-2_000)
      done()
    },
  })
  return { out, text: () => kept.trim() }
}
