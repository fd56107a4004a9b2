/** Containers that keep ending are started again after 1, 2, 4… seconds, at most a minute. By container name. */
export interface Pauses {
  /** Whether it may be started now. If so that counts as a try; if not it is waited with. */
  due(name: string): boolean
  /** It is down still. */
  wait(name: string): void
  /** It runs. Once it has for a minute, its next end counts as the first. */
  runs(name: string, since: Date | undefined): void
  /** What took it away was not its own doing. */
  forget(name: string): void
  /** Everything that is not among the names. */
  keepOnly(names: ReadonlySet<string>): void
  forgetAll(): void
  /** When the first one that is waited with is due, as Date.now(). */
  next(): number | undefined
}

const longestMs = 60_000

export function createPauses(now: () => number = Date.now): Pauses {
  const pauses = new Map<string, { tries: number; until: number; waiting: boolean }>()

  const setWaiting = (name: string, waiting: boolean) => {
    const pause = pauses.get(name)
    if (pause) pauses.set(name, { ...pause, waiting })
  }
  return {
    due(name) {
      const { tries, until } = pauses.get(name) ?? { tries: 0, until: 0 }
      if (now() < until) {
        setWaiting(name, true)
        return false
      }
      const pauseMs = Math.min(1_000 * 2 ** tries, longestMs)
      pauses.set(name, { tries: tries + 1, until: now() + pauseMs, waiting: false })
      return true
    },
    wait: name => setWaiting(name, true),
    runs(name, since) {
      if (since && now() - since.getTime() > longestMs) pauses.delete(name)
      else setWaiting(name, false)
    },
    forget: name => void pauses.delete(name),
    keepOnly(names) {
      for (const name of pauses.keys()) if (!names.has(name)) pauses.delete(name)
    },
    forgetAll: () => pauses.clear(),
    next() {
      const waiting = [...pauses.values()].filter(each => each.waiting)
      return waiting.length > 0 ? Math.min(...waiting.map(each => each.until)) : undefined
    },
  }
}
