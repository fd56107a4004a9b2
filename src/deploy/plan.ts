import type { Container, Formation } from '../types.ts'
import type { ProcessSpec } from './spec.ts'

/** What a rollout does: containers that stay, ones to start, ones to take away. */
export interface Plan {
  readonly keep: readonly Container[]
  readonly start: readonly { readonly process: ProcessSpec; readonly index: number }[]
  readonly retire: readonly Container[]
}

export interface Wanted {
  readonly formation: Formation
  readonly specs: readonly ProcessSpec[]
  readonly current: readonly Container[]
  /** Replaced even where nothing changed: a restart. */
  readonly fresh: (container: Container) => boolean
}

/** Pure: a container stays when its process, index and spec's hash are still wanted. */
export function planRollout({ formation, specs, current, fresh }: Wanted): Plan {
  const slots = specs.flatMap(process =>
    Array.from({ length: formation[process.process] ?? 0 }, (_, at) => ({ process, index: at + 1 })),
  )
  const stays = (container: Container) =>
    !fresh(container) &&
    slots.some(
      ({ process, index }) =>
        process.process === container.process && index === container.index && process.hash === container.spec,
    )
  const keep = current.filter(stays)
  const kept = new Set(keep.map(each => `${each.process}.${each.index}`))
  return {
    keep,
    start: slots.filter(({ process, index }) => !kept.has(`${process.process}.${index}`)),
    retire: current.filter(each => !keep.includes(each)),
  }
}
