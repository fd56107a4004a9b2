import type { Request } from '../edge/wire.ts'
import type { Handle } from '../listen.ts'
import type { Settings } from '../settings.ts'
import type { Order } from './orders.ts'

/** The proxy that has started this one, to be replaced by it. */
export interface Predecessor {
  /** Resolves when what it knows is on the disk, and stays so; with the host's ports that it holds. */
  readonly begin: Promise<ReadonlyMap<number, Handle>>
  /** Resolves when the control socket is free. */
  readonly over: Promise<void>
  /** awake: all workers wait for what there is to know · serving: all take requests. */
  say(state: 'awake' | 'serving'): void
  /** Has its workers, while there are any, wait for what they have under way at these upstreams. Answers how many they had to end. */
  drain(request: Drain): Promise<number>
  /** Tells its workers, while there are any: they have clients that go on with what they have begun. */
  tell(order: Order): Promise<void>
}

export type Drain = Request & { verb: 'drain' }

/** What the two say to each other, over the channel between a process and the one that started it. */
export type ToSuccessor =
  /** follows: it tells its workers of changes. */
  | { readonly told: 'begin' | 'over'; readonly follows?: true }
  /** Its socket comes along. */
  | { readonly port: number }
  | { readonly drained: number; readonly id: number }
  | { readonly followed: number }
export type ToPredecessor =
  | { readonly state: 'awake' | 'serving' }
  | { readonly failed: string }
  | { readonly drain: Drain; readonly id: number }
  | { readonly follow: Order; readonly id: number }

const patienceMs = 5_000

/** Undefined for a proxy that was started in the usual way. It ends with a predecessor that is gone before it has said `begin`. */
export function findPredecessor({ succeeds }: Pick<Settings, 'succeeds'>): Predecessor | undefined {
  if (!succeeds || !process.send) return undefined
  const begin = Promise.withResolvers<ReadonlyMap<number, Handle>>()
  const ports = new Map<number, Handle>()
  const over = Promise.withResolvers<void>()
  const drains = new Map<number, (ended: number) => void>()
  const orders = new Map<number, () => void>()
  let follows = false
  let begun = false
  let last = 0
  process.on('message', (words: ToSuccessor, handle: unknown) => {
    if ('drained' in words) return drains.get(words.id)?.(words.drained)
    if ('followed' in words) return orders.get(words.followed)?.()
    if ('port' in words) return void ports.set(words.port, handle as Handle)
    if (words.told === 'over') return over.resolve()
    begun = true
    follows = words.follows === true
    begin.resolve(ports)
  })
  process.on('disconnect', () => {
    if (!begun) process.exit(1)
    over.resolve()
    for (const settle of drains.values()) settle(0)
    for (const settle of orders.values()) settle()
  })
  const say = (words: ToPredecessor) => void (process.connected && process.send?.(words, () => undefined))
  return {
    begin: begin.promise,
    over: over.promise,
    say: state => say({ state }),
    async drain(request) {
      if (!process.connected) return 0
      const id = ++last
      const { promise, resolve } = Promise.withResolvers<number>()
      drains.set(id, resolve)
      say({ drain: request, id })
      return promise.finally(() => drains.delete(id))
    },
    async tell(order) {
      if (!follows || !process.connected) return
      const id = ++last
      const { promise, resolve } = Promise.withResolvers<void>()
      orders.set(id, resolve)
      say({ follow: order, id })
      // One that does not get to it holds nobody up.
      const late = setTimeout(resolve, patienceMs)
      await promise
      clearTimeout(late)
      orders.delete(id)
    },
  }
}

/** Tells a predecessor, where there is one, why nothing comes of it. */
export function tellFailure(why: string, { succeeds }: Pick<Settings, 'succeeds'>): Promise<void> {
  return new Promise(resolve => {
    if (succeeds && process.send)
      process.send({ failed: why } satisfies ToPredecessor, undefined, undefined, () => resolve())
    else resolve()
  })
}
