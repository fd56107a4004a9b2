import type { Upstream } from '../types.ts'

export interface Exchange {
  /** tunnel: bytes that pass as they are, and mean nothing here. */
  readonly kind: 'request' | 'websocket' | 'tunnel'
  /** Breaks it off. */
  end(): void
}

/** What this worker has in flight, by upstream. */
export interface Traffic {
  /** Counts an exchange until the returned function is called. */
  begin(upstream: Upstream, exchange: Exchange): () => void
  /** Waits until these upstreams (`host:port`) have nothing in flight; after its time ends what is left and answers how many. */
  drain(upstreams: readonly string[], time: DrainTime): Promise<number>
  /** Ends all WebSockets and waits until they are gone, at most `timeoutMs`; tunnels have that time to end by themselves. */
  part(timeoutMs: number): Promise<void>
  /** Waits for all requests, not for WebSockets, at most `timeoutMs`. */
  quiet(timeoutMs: number): Promise<void>
  stats(): { requests: number; inFlight: number }
}

interface Flight {
  readonly exchange: Exchange
  /** Its place in the list; -1 when it is over. */
  at: number
}

/** What one upstream has in flight. */
interface Flights {
  readonly all: Flight[]
  /** Nobody drains it, or it has been drained: it goes with the last of them. */
  passing: boolean
}

/** The last takes its place. */
function land(flight: Flight, here: Flight[]): void {
  const last = here.pop()!
  if (last !== flight) {
    here[flight.at] = last
    last.at = flight.at
  }
  flight.at = -1
}

export interface DrainTime {
  /** For requests. */
  readonly timeoutMs: number
  /** For WebSockets and tunnels. */
  readonly websocketMs: number
}

/** Some know their name, so that it need not be put together for each request. */
export const nameOf = ({ host, port, name }: Upstream & { readonly name?: string }) =>
  name ?? `${host}:${port}`

export function openTraffic(): Traffic {
  /**
   * Lists, not sets: those would be made anew again and again, with so much put in and taken out. An empty one stays until its upstream is
   * drained, which folders and the sockets of plugins never are.
   */
  const flights = new Map<string, Flights>()
  const watchers = new Set<() => void>()
  let requests = 0

  const at = (names: readonly string[]) =>
    names.flatMap(name => (flights.get(name)?.all ?? []).map(({ exchange }) => exchange))
  const all = () => at([...flights.keys()])

  /** Resolves once nothing is left, or when the time is over. */
  function settled(left: () => unknown[], timeoutMs: number): Promise<void> {
    return new Promise(resolve => {
      const look = () => left().length === 0 && finish()
      const finish = () => {
        clearTimeout(timer)
        watchers.delete(look)
        resolve()
      }
      const timer = setTimeout(finish, timeoutMs)
      watchers.add(look)
      look()
    })
  }

  return {
    begin(upstream, exchange) {
      requests++
      const name = nameOf(upstream)
      let here = flights.get(name)
      if (here === undefined) {
        here = { all: [], passing: upstream.port === 0 }
        flights.set(name, here)
      }
      const list = here.all
      const flight: Flight = { exchange, at: list.length }
      list.push(flight)
      return () => {
        if (flight.at === -1) return
        land(flight, list)
        if (here.passing && list.length === 0) flights.delete(name)
        if (watchers.size > 0) for (const look of watchers) look()
      }
    },
    async drain(names, { timeoutMs, websocketMs }) {
      const drainKinds = async (kinds: readonly Exchange['kind'][], ms: number) => {
        const of = () => at(names).filter(each => kinds.includes(each.kind))
        await settled(of, ms)
        const left = of()
        for (const exchange of left) exchange.end()
        return left.length
      }
      const counts = await Promise.all([
        drainKinds(['request'], timeoutMs),
        drainKinds(['websocket', 'tunnel'], websocketMs),
      ])
      for (const name of names) {
        const here = flights.get(name)
        if (here?.all.length === 0) flights.delete(name)
        else if (here) here.passing = true
      }
      return counts[0] + counts[1]
    },
    async part(timeoutMs) {
      const open = () => all().filter(({ kind }) => kind !== 'request')
      for (const exchange of open()) if (exchange.kind === 'websocket') exchange.end()
      await settled(open, timeoutMs)
      for (const exchange of open()) exchange.end()
    },
    quiet: timeoutMs => settled(() => all().filter(({ kind }) => kind === 'request'), timeoutMs),
    stats: () => ({ requests, inFlight: all().length }),
  }
}
