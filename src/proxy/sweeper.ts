/** Something that may have waited too long. */
export interface Waiting {
  late(now: number): void
}

/** Looks at deadlines again and again, of all connections to upstreams in one go: a timer for each would cost more than the connections. */
export interface Sweeper {
  watch(waiting: Waiting): void
  drop(waiting: Waiting): void
  /** When it looked last (`performance.now`), or began to: nobody has to know the time more exactly. */
  readonly now: () => number
}

const sweepMs = 250

export function openSweeper(): Sweeper {
  const all = new Set<Waiting>()
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
    watch(waiting) {
      all.add(waiting)
      if (timer !== undefined) return
      now = performance.now()
      timer = setInterval(sweep, sweepMs).unref()
    },
    drop: waiting => void all.delete(waiting),
    now: () => now,
  }
}
