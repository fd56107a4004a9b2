import type { Out } from '../types.ts'
import type { Edge } from './wire.ts'

/** Until a person who waits is told for what. */
const usualMs = 2_000

/** Where it takes long because the proxy is away, the person who waits for it hears so. */
export async function tellWaiting<T>(
  work: Promise<T>,
  { edge, out, quietMs = usualMs }: Telling,
): Promise<T> {
  const timer = setTimeout(() => {
    const why = edge.waits()
    if (why !== undefined) out.warn(`Waiting for the proxy: ${why}.`)
  }, quietMs)
  return work.finally(() => clearTimeout(timer))
}

export interface Telling {
  readonly edge: Pick<Edge, 'waits'>
  readonly out: Out
  readonly quietMs?: number
}
