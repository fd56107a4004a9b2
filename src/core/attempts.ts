import { rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { Rooms } from './rooms.ts'

export function createAttemptsView({ store, attempts }: Rooms): Core['attempts'] {
  return {
    list: app => store.attempts.list(app),
    get(app, id) {
      const found = store.attempts.find(app, id)
      if (found) return found
      throw new UserError(
        'attempt-missing',
        `${app} has no build ${id}.`,
        `See them with: builds:list ${app}`,
      )
    },
    output: (attempt, signal) =>
      linesOf({ file: attempts.outputOf(attempt.id), ended: attempts.ended(attempt.id), signal }),
    cancel: app => attempts.cancel(app),
    prune(app, keep) {
      const gone = store.attempts.prune(app, keep)
      for (const id of gone) rmSync(attempts.outputOf(id), { force: true })
      return gone.length
    },
  }
}

interface Reading {
  readonly file: string
  /** Settled when nothing more will be written. */
  readonly ended: Promise<void>
  readonly signal: AbortSignal
}

/** What is written, and on as it is written. An output that was not kept has no lines. */
async function* linesOf({ file, ended, signal }: Reading): AsyncIterable<string> {
  let over = false
  void ended.then(() => {
    over = true
  })
  const handle = await open(file, 'r').catch(() => undefined)
  if (!handle) return
  const buffer = Buffer.alloc(64 * 1024)
  let rest = Buffer.alloc(0)
  try {
    while (!signal.aborted) {
      const last = over
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) {
        if (last) break
        await Promise.race([ended, pause(100, undefined, { signal }).catch(() => undefined)])
        continue
      }
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield rest.subarray(0, end).toString('utf8')
        rest = rest.subarray(end + 1)
      }
    }
    if (rest.length > 0) yield rest.toString('utf8')
  } finally {
    await handle.close()
  }
}
