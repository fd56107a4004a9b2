/** What a worker tells the primary of its own accord: what has come about since the last time. */
export interface Report {
  /** Bytes written to log files, by their paths. */
  readonly wrote: Readonly<Record<string, number>>
  /** Lines of logs that found no room. */
  readonly dropped: number
  /** Times that bytes came which were no request. */
  readonly noise: number
  readonly books: readonly BookReport[]
}

export interface BookReport {
  /** Null: what reached no app. */
  readonly app: string | null
  /** Now, not since the last time. */
  readonly inFlight: number
  readonly webSockets: number
  readonly tunnels: number
  readonly counts: readonly {
    readonly release: number | null
    /** Index and number of each slot that holds something (`tally`), flat. */
    readonly slots: readonly number[]
  }[]
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
/** Apps, and files, told of at once: where there are thousands the rest waits for its turn, so that telling costs no more than that. */
const mostAtOnce = 1_000

/** Nothing is told while nothing changes. `take` answers of how much it is asked, and whether there is more. */
export function openReporter(
  take: (most: number) => { readonly report: Report; readonly more: boolean },
  send: (report: Report) => Promise<void>,
): Reporter {
  let timer: NodeJS.Timeout | undefined
  let last = Number.NEGATIVE_INFINITY

  const changed = () => {
    timer ??= setTimeout(() => void tell(mostAtOnce), Math.max(firstMs, last + everyMs - performance.now()))
  }
  const tell = (most: number) => {
    clearTimeout(timer)
    timer = undefined
    last = performance.now()
    const { report, more } = take(most)
    if (more) changed()
    return send(report)
  }
  return { changed, flush: () => tell(Number.POSITIVE_INFINITY) }
}
