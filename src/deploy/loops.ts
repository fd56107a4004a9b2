import type { Rooms } from '../core/rooms.ts'
import type { ContainerInfo } from '../docker/engine.ts'
import type { Container, Service } from '../types.ts'
import { titleOf } from './service.ts'

/** Containers that end again and again, by name. */
export interface Loops {
  /** How often it has been started again, as the engine counts. Answers whether that has become a loop: once, and once more after an hour. */
  seen(name: string, restarts: number): boolean
  /** It was started again by us, which the engine does not count. */
  again(name: string): void
  keepOnly(names: ReadonlySet<string>): void
}

interface Watched {
  /** How often, when this look began. */
  readonly from: number
  readonly since: number
  readonly told: number | undefined
  readonly ours: number
}

/** So many starts in so short a time are a loop. */
const starts = 3
const withinMs = 5 * 60_000
const quietMs = 3_600_000

export function createLoops(now: () => number = Date.now): Loops {
  const watched = new Map<string, Watched>()
  return {
    seen(name, restarts) {
      const before = watched.get(name) ?? { from: restarts, since: now(), told: undefined, ours: 0 }
      const count = restarts + before.ours
      // The engine begins at nought again with a container that was made anew.
      const isOver = now() - before.since > withinMs || count < before.from
      const look = isOver ? { ...before, from: count, since: now() } : before
      const loops = count - look.from >= starts && (look.told === undefined || now() - look.told > quietMs)
      watched.set(name, loops ? { ...look, told: now() } : look)
      return loops
    },
    again(name) {
      const before = watched.get(name) ?? { from: 0, since: now(), told: undefined, ours: 0 }
      watched.set(name, { ...before, ours: before.ours + 1 })
    },
    keepOnly(names) {
      for (const name of watched.keys()) if (!names.has(name)) watched.delete(name)
    },
  }
}

export function tellLoop(
  { app, name, process, index }: Container,
  { exitCode }: ContainerInfo,
  { events }: Pick<Rooms, 'events'>,
): void {
  events.tell({
    kind: 'crash-loop',
    level: 'error',
    app,
    text: `${process}.${index} of ${app} ends again and again. What it says: logs ${app} -p ${process}`,
    data: { container: name, ...(exitCode === null ? {} : { exit: exitCode }) },
  })
}

export function tellServiceLoop(
  service: Service,
  { name, exitCode }: ContainerInfo,
  { events }: Pick<Rooms, 'events'>,
): void {
  events.tell({
    kind: 'crash-loop',
    level: 'error',
    text: `${titleOf(service)} ends again and again.`,
    data: {
      ...{ plugin: service.plugin, service: service.name, container: name },
      ...(exitCode === null ? {} : { exit: exitCode }),
    },
  })
}
