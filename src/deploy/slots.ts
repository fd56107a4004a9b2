import type { Call } from '../types.ts'
import { orCancelled } from './queue.ts'

/** Builds at once on the whole host, unless set otherwise. */
export const usualBuilds = 2

/** So many builds at once on the whole host; the next one waits, in order, and says so. */
export interface Slots {
  take<T>(call: Call, work: () => Promise<T>): Promise<T>
}

export function createSlots(limit: () => number): Slots {
  const waiting: (() => void)[] = []
  let taken = 0
  const free = () => {
    taken--
    while (taken < limit() && waiting.length > 0) {
      taken++
      waiting.shift()!()
    }
  }
  const place = async (call: Call) => {
    if (taken < limit() && waiting.length === 0) {
      taken++
      return
    }
    call.out.detail(`Waiting for a place: ${taken} builds are under way`)
    const turn = Promise.withResolvers<void>()
    waiting.push(turn.resolve)
    try {
      await orCancelled(turn.promise, call.signal)
    } catch (error) {
      const at = waiting.indexOf(turn.resolve)
      if (at >= 0) waiting.splice(at, 1)
      else free() // The turn had come in the same moment.
      throw error
    }
  }
  return {
    async take(call, work) {
      await place(call)
      try {
        return await work()
      } finally {
        free()
      }
    },
  }
}
