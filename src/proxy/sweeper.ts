/** Something that may have waited too long. */
export interface Waiting {
  late(now: number): void
}

/** Looks at deadlines again and again, of all connections in one go: a timer for each would cost more than the connections. */
export interface Sweeper<T extends Waiting> {
  readonly all: ReadonlySet<T>
  watch(waiting: T): void
  drop(waiting: T): void
  /** When it looked last (`performance.now`); while it has nothing to look at, now. Nobody has to know the time more exactly. */
  now(): number
}

export function openSweeper<T extends Waiting>(everyMs: number): Sweeper<T> {
  const all = new Set<T>()
  let timer: NodeJS.Timeout | undefined
  let now = 0

  const sweep = () => {
    now = performance.now()
    for (const each of all) each.late(now)
    if (all.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    all,
    watch(waiting) {
      all.add(waiting)
      if (timer !== undefined) return
      now = performance.now()
      timer = setInterval(sweep, everyMs).unref()
    },
    drop: waiting => void all.delete(waiting),
    now() {
      if (timer === undefined) now = performance.now()
      return now
    },
  }
}
