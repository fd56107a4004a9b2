import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

import { UserError } from '../errors.ts'
import { type Api, dropped, EngineError } from './api.ts'
import type { EngineEvent, Labels } from './engine.ts'
import { filters } from './filters.ts'
import { lines } from './lines.ts'

interface RawEvent {
  readonly Action: string
  readonly Actor: { readonly ID: string; readonly Attributes: Labels }
  readonly timeNano: number
}

interface Options {
  readonly labels: Labels
  readonly signal: AbortSignal
  /** Resolves when the engine answers again. */
  readonly reconnect: () => Promise<unknown>
}

/**
 * Everything since the call, once. The engine keeps its last 256 events and none over a restart,
 * so that after `reconnected` the reader compares with a list.
 */
export function events(api: Api, options: Options): AsyncGenerator<EngineEvent, void, undefined> {
  return follow(api, Date.now(), options)
}

/** Apps wait for it when the engine is back, and asking a socket costs next to nothing. */
const longestPauseMs = 500

async function* follow(api: Api, begin: number, { labels, signal, reconnect }: Options) {
  const memory = openMemory(begin)
  for (let gap = false, pause = 50; !signal.aborted; pause = Math.min(pause * 2, longestPauseMs)) {
    let stream: Readable | undefined
    try {
      if (gap) await reconnect()
      const query = { ...filters({ labels, type: ['container'] }), since: memory.since() }
      stream = await api.stream('GET', '/events', { query, signal })
      if (gap) yield { kind: 'reconnected' } as const
      pause = 50
      for await (const line of lines(stream)) {
        const event = JSON.parse(line) as RawEvent
        if (memory.isNew(event)) yield eventOf(event)
      }
    } catch (error) {
      if (!signal.aborted && !isLost(error)) throw error
    } finally {
      stream?.destroy()
    }
    gap = true
    await delay(pause, undefined, { signal }).catch(() => undefined)
  }
}

// Events are asked for again from a second before the last one, and those seen are left out.
function openMemory(begin: number) {
  const overlap = 1e9
  let last = begin * 1e6
  let seen = new Map<string, number>()
  return {
    since: () => (Math.max(last - overlap, begin * 1e6) / 1e9).toFixed(9),
    isNew({ Action, Actor, timeNano }: RawEvent) {
      const key = `${timeNano} ${Actor.ID} ${Action}`
      if (seen.has(key)) return false
      last = Math.max(last, timeNano)
      seen.set(key, timeNano)
      if (seen.size > 2_000) seen = new Map([...seen].filter(([, at]) => at >= last - 2 * overlap))
      return true
    },
  }
}

function eventOf({ Action, Actor }: RawEvent): EngineEvent {
  const { name = '', exitCode, signal: _, image: __, ...labels } = Actor.Attributes
  return {
    kind: 'container',
    action: Action,
    name,
    labels,
    exitCode: exitCode === undefined ? undefined : Number(exitCode),
  }
}

// An engine on its way down or up may still, or already, answer that it cannot.
function isLost(error: unknown): boolean {
  if (error instanceof EngineError) return error.status >= 500
  return dropped(error) || (error instanceof UserError && error.code === 'engine-away')
}
