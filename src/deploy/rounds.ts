export interface Rounds {
  /** At once. What comes while a round is under way is joined into one more. */
  now(): void
}

interface Pace {
  readonly longestMs: number
  /** When another round is due by itself, as Date.now(). */
  readonly next?: () => number | undefined
  readonly signal: AbortSignal
}

/** Work that is done over and over. It answers whether all of it came about; if not it is tried again after 1, 2, 4… seconds. It never throws. */
export function createRounds(work: () => Promise<boolean>, { longestMs, next, signal }: Pace): Rounds {
  let isRunning = false
  let again = false
  let failures = 0
  let soon: NodeJS.Timeout | undefined

  const run = async () => {
    isRunning = true
    do {
      again = false
      failures = (await work()) ? 0 : failures + 1
    } while (again && !signal.aborted)
    isRunning = false
    clearTimeout(soon)
    const at = failures > 0 ? Date.now() + Math.min(500 * 2 ** failures, longestMs) : next?.()
    if (at !== undefined && !signal.aborted) soon = setTimeout(now, Math.max(at - Date.now(), 0) + 10)
  }
  const now = () => {
    if (isRunning) again = true
    else void run()
  }
  return { now }
}
