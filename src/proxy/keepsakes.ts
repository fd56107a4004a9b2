import type { Trip } from './trip.ts'

/**
 * Keeps the last request of each kind, for what V8 has compiled for requests lives as long as objects of their shapes do: after all have
 * been collected at rest (`rest`), the next 25,000 requests would cost twice as much.
 */
export function openKeepsakes(): (trip: Trip) => void {
  const plain: Partial<Record<Trip['visitor']['version'], Trip>> = {}
  const secure: typeof plain = {}
  return trip => {
    const { scheme, version } = trip.visitor
    const kept = scheme === 'https' ? secure : plain
    kept[version] = trip
  }
}
