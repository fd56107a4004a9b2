/** What a worker tells the primary of its own accord: what has come about since the last time. */
export interface Report {
  /** Bytes written to log files, by their paths. */
  readonly wrote: Readonly<Record<string, number>>
}

export interface Reporter {
  /** There is something to tell. */
  changed(): void
  /** Tells it now; settles when the primary has it, or is gone. */
  flush(): Promise<void>
}

/** How long after something has come about it is told, and how long after the last time. */
const firstMs = 50
const everyMs = 1_000

/** Nothing is told while nothing changes. */
export function openReporter(take: () => Report, send: (report: Report) => Promise<void>): Reporter {
  let timer: NodeJS.Timeout | undefined
  let last = 0

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    last = performance.now()
    return send(take())
  }

  return {
    changed() {
      timer ??= setTimeout(flush, Math.max(firstMs, last + everyMs - performance.now()))
    },
    flush,
  }
}
