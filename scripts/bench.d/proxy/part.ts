import type { Heard, Load } from './generators.ts'
import { type Ground, hosts } from './ground.ts'
import type { Name, Peer } from './peers.ts'
import { cpuOf, familyOf, pssOf, residentOf, watchResident } from './processes.ts'
import type { Target, Unit } from './table.ts'

export type Figures = Readonly<Record<string, number>>

/** One turn of one proxy. */
export type Turn = () => Promise<Figures>

export interface Row {
  /** Its name among the figures. */
  readonly of: string
  readonly figure: string
  readonly unit: Unit
  readonly targets?: readonly Target[]
}

export interface Part {
  /** As `--only` names it. */
  readonly name: string
  readonly what: string
  readonly rows: readonly Row[]
  /** Makes ready; then each takes its turns. One that cannot yet do it is not among them. */
  prepare(stage: Stage): Promise<Readonly<Partial<Record<Name, Turn>>>>
}

export interface Stage {
  readonly ground: Ground
  readonly seconds: number
  /** The proxies that most parts share. */
  readonly peers: readonly Peer[]
  /** More of them, for one part. */
  fresh(options: { routes: number }): Promise<readonly Peer[]>
}

export const memory: Row = { of: 'memory', figure: 'memory (PSS)', unit: 'MB' }

/** What is told of most loads. */
export function rows(...targets: readonly Target[]): readonly Row[] {
  return [
    { of: 'cpu', figure: 'CPU a request', unit: 'µs', targets },
    { of: 'rate', figure: 'throughput', unit: '/s' },
    { of: 'p50', figure: 'p50', unit: 'ms' },
    { of: 'p99', figure: 'p99', unit: 'ms' },
    memory,
  ]
}

export type Generate = (
  peer: Peer,
  load: Omit<Load, 'url' | 'connections'>,
  ground: Ground,
  begin: () => void,
) => Promise<Heard>

export function loaded(generate: Generate, { secure = false } = {}): Part['prepare'] {
  return async stage =>
    turns(
      stage.peers.filter(({ https }) => !secure || https !== undefined),
      peer => underLoad(peer, stage, generate),
    )
}

/** CPU is counted from the moment when the load begins. */
export async function underLoad(
  peer: Peer,
  { ground, seconds }: Stage,
  generate: Generate,
): Promise<Figures> {
  const pids = familyOf(peer.pid)
  let before = cpuOf(pids)
  const begin = () => {
    before = cpuOf(pids)
  }
  const load = { seconds, signal: ground.signal, headers: [`Host: ${hosts.app}`] }
  const heard = await generate(peer, load, ground, begin)
  const cpu = ((cpuOf(pids) - before) * 1e6) / heard.requests
  const { requests, p50, p99, errors } = heard
  return { cpu, rate: requests / heard.seconds, p50, p99, errors, memory: pssOf(pids) }
}

/** Bodies of 10 MB, eight at once. Memory is flat when not even half of what is on its way is held. */
export function large(name: string, what: string, generate: Generate): Part {
  const megabytes = 10
  return {
    name,
    what: `${what}, 8 at once`,
    rows: [
      { of: 'cpuMB', figure: 'CPU a MB', unit: 'µs' },
      { of: 'throughput', figure: 'throughput', unit: 'MB/s', targets: [{ beside: 'nginx', least: 0.8 }] },
      { of: 'growth', figure: 'resident, more than before', unit: 'MB', targets: [{ most: 40 }] },
      memory,
    ],
    async prepare(stage) {
      const before = new Map(stage.peers.map(({ pid }) => [pid, residentOf(familyOf(pid))]))
      return turns(stage.peers, async peer => {
        const resident = watchResident(familyOf(peer.pid))
        const figures = await underLoad(peer, stage, generate).finally(resident.most)
        return {
          ...figures,
          cpuMB: figures.cpu! / megabytes,
          throughput: figures.rate! * megabytes,
          growth: resident.most() - before.get(peer.pid)!,
        }
      })
    },
  }
}

export function turns(
  peers: readonly Peer[],
  turn: (peer: Peer) => Promise<Figures>,
): Partial<Record<Name, Turn>> {
  return Object.fromEntries(peers.map(peer => [peer.name, () => turn(peer)]))
}
