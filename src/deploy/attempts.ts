import { createWriteStream, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { App, AppName, Attempt, Call, Out } from '../types.ts'

/** Every try at a change in front of traffic: recorded, its output kept, and ended on a person's word. */
export interface Attempts {
  /** `work` gets a call that hears `cancel` too and whose words are kept; it says when its turn has come. */
  run<T>(
    app: App,
    attempt: NewAttempt,
    call: Call,
    work: (call: Call, begin: () => void) => Promise<T>,
  ): Promise<T>
  /** Ends what is under way, if it is not live yet; settles when it has ended. Answers the attempts as they ended. */
  cancel(app: AppName): Promise<readonly Attempt[]>
  /** The file with an attempt's output, whole lines. */
  outputOf(id: number): string
  /** Settles when the attempt is not under way any more. */
  ended(id: number): Promise<void>
  /** Writes down how attempts ended whose end the store did not take at the time. */
  catchUp(): void
}

export type NewAttempt = Pick<Attempt, 'kind' | 'what'> & { readonly revision?: string }

/** Bytes of an attempt's output that are kept. */
const longestOutput = 8 * 1024 * 1024

export const keptAttempts = 20

interface Ending {
  readonly status: 'succeeded' | 'failed' | 'cancelled'
  readonly reason?: string
}

interface Open {
  readonly app: AppName
  readonly cancel: AbortController
  readonly done: Promise<void>
}

export function createAttempts({
  store,
  folder,
  log,
}: {
  store: Store
  folder: string
  log: Logger
}): Attempts {
  const open = new Map<number, Open>()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  store.attempts.closeOpen('Davit was stopped before it ended.')
  removeStrays(folder, store)
  const outputOf = (id: number) => join(folder, `${id}.log`)
  const unwritten = new Map<number, Ending>()

  const catchUp = () => {
    try {
      for (const [id, { status, reason }] of unwritten) {
        store.attempts.setStatus(id, status, reason)
        unwritten.delete(id)
      }
    } catch (err) {
      log.warn({ err, attempts: [...unwritten.keys()] }, 'how attempts ended is written down later')
    }
  }
  const prune = (app: AppName) => {
    try {
      for (const gone of store.attempts.prune(app, retentionOf(app, store)))
        rmSync(outputOf(gone), { force: true })
    } catch (err) {
      log.warn({ err, app }, 'older attempts go later')
    }
  }

  return {
    outputOf,
    catchUp,
    ended: async id => open.get(id)?.done,

    async cancel(app) {
      const ours = [...open].filter(([, each]) => each.app === app)
      for (const [, each] of ours) each.cancel.abort()
      await Promise.all(ours.map(([, each]) => each.done))
      return ours.flatMap(([id]) => store.attempts.find(app, id) ?? [])
    },

    async run(app, { kind, what, revision }, call, work) {
      const { id } = store.attempts.add(app.name, { kind, what, by: call.by.person, revision })
      const cancel = new AbortController()
      const done = Promise.withResolvers<void>()
      open.set(id, { app: app.name, cancel, done: done.promise })
      const kept = keepOutput(outputOf(id), log)
      const signal = AbortSignal.any([call.signal, cancel.signal])
      let ending: Ending = { status: 'succeeded' }
      try {
        return await work({ ...call, out: both(call.out, kept.line), signal }, () =>
          store.attempts.setStatus(id, 'running'),
        )
      } catch (error) {
        const cancelled = error instanceof UserError && error.code === 'cancelled'
        const reason = error instanceof UserError ? error.message : 'a bug; the log has it'
        kept.line(` !     ${reason}`)
        ending = { status: cancelled ? 'cancelled' : 'failed', reason }
        throw error
      } finally {
        await kept.end()
        // It ended so whether the store can take it or not.
        unwritten.set(id, ending)
        catchUp()
        open.delete(id)
        done.resolve()
        prune(app.name)
      }
    },
  }
}

function retentionOf(app: AppName, { properties }: Store): number {
  return Number(
    properties.get('builds', app, 'retention') ??
      properties.get('builds', undefined, 'retention') ??
      keptAttempts,
  )
}

/** Outputs whose attempt is not listed any more: of apps that were destroyed. */
function removeStrays(folder: string, { attempts }: Store): void {
  const known = new Set(attempts.ids().map(id => `${id}.log`))
  for (const name of readdirSync(folder)) if (!known.has(name)) rmSync(join(folder, name), { force: true })
}

/** There from the first moment, for who reads along. Where that fails the stream opens it, and tells why it cannot. */
function openNow(file: string): number | undefined {
  try {
    return openSync(file, 'w', 0o600)
  } catch {
    return undefined
  }
}

/** A disk that is full costs the output, never the deploy. */
function keepOutput(file: string, log: Logger) {
  const stream = createWriteStream(file, { mode: 0o600, fd: openNow(file) })
  let left = longestOutput
  stream.on('error', err => {
    if (left > 0) log.warn({ err, file }, 'the output of an attempt is not kept')
    left = 0
  })
  return {
    line(text: string) {
      if (left <= 0) return
      left -= Buffer.byteLength(text) + 1
      stream.write(left > 0 ? `${text}\n` : ' !     The rest was too long to be kept.\n')
    },
    end: () =>
      new Promise<void>(resolve => {
        stream.once('error', () => resolve())
        stream.end(() => resolve())
      }),
  }
}

/** Everything said is said to both, in the form that a person sees. */
function both(out: Out, keep: (line: string) => void): Out {
  const line = (text: string) => {
    keep(text)
    out(text)
  }
  return Object.assign(line, {
    step: (text: string) => {
      keep(`-----> ${text}`)
      out.step(text)
    },
    headline: (text: string) => {
      keep(`=====> ${text}`)
      out.headline(text)
    },
    detail: (text: string) => {
      keep(`       ${text}`)
      out.detail(text)
    },
    warn: (text: string) => {
      keep(` !     ${text}`)
      out.warn(text)
    },
    flushed: (text: string) => {
      keep(text)
      return out.flushed(text)
    },
  })
}
