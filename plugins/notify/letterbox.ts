import { randomUUID } from 'node:crypto'

import { type Context, type DavitEvent, messageOf } from 'davit/plugin'

import { type Channel, deliver, type Undelivered } from './channel.ts'

/** What is still to be told to a channel. It outlives the daemon. */
interface Pending {
  readonly channel: string
  readonly event: DavitEvent
  readonly tries: number
  /** As Date.now(). */
  readonly next: number
}

/** Then nobody is told any more: about a day. */
const mostTries = 12
const mostPending = 500
const firstPauseMs = 60_000

const isChannel = (key: string) => key.startsWith('channel/')
const isPending = (key: string) => key.startsWith('pending/')

type Means = Pick<Context, 'core' | 'kv' | 'log' | 'signal'>

export function channels({ kv }: Pick<Means, 'kv'>): Readonly<Record<string, Channel>> {
  const kept = kv.list().filter(each => isChannel(each.key))
  return Object.fromEntries(kept.map(({ key, value }) => [key.slice('channel/'.length), value as Channel]))
}

export function putChannel(name: string, channel: Channel, { kv }: Pick<Means, 'kv'>): void {
  kv.set(`channel/${name}`, channel)
}

export function removeChannel(name: string, { kv }: Pick<Means, 'kv'>): void {
  kv.remove(`channel/${name}`)
  for (const { key, value } of kv.list())
    if (isPending(key) && (value as Pending).channel === name) kv.remove(key)
}

/** Kept first and told then, so that nothing is lost when it cannot be told at once. */
export async function post(event: DavitEvent, names: readonly string[], means: Means): Promise<void> {
  const keys = names.map(channel => {
    const key = `pending/${randomUUID()}`
    means.kv.set(key, { channel, event, tries: 0, next: Date.now() + firstPauseMs } satisfies Pending)
    return key
  })
  bound(means)
  await Promise.all(keys.map(key => tryOnce(key, means)))
}

/** What could not be told before, and is due. */
export async function postAgain(means: Means): Promise<void> {
  for (const { key, value } of means.kv.list())
    if (isPending(key) && (value as Pending).next <= Date.now()) await tryOnce(key, means)
}

async function tryOnce(key: string, means: Means): Promise<void> {
  const { kv, log } = means
  const pending = kv.get<Pending>(key)
  const channel = pending && channels(means)[pending.channel]
  if (!pending || !channel) return kv.remove(key)
  const failed = await once(key, { pending, channel }, means)
  if (!failed) return kv.remove(key)
  const tries = pending.tries + 1
  const what = { channel: pending.channel, event: pending.event.kind, tries, reason: failed.reason }
  if (!failed.again || tries >= mostTries) {
    log.error(what, 'somebody could not be told')
    return kv.remove(key)
  }
  log.warn(what, 'somebody could not be told yet')
  kv.set(key, {
    ...pending,
    tries,
    next: Date.now() + firstPauseMs * 2 ** Math.min(tries, 7),
  } satisfies Pending)
}

async function once(
  key: string,
  { pending, channel }: { pending: Pending; channel: Channel },
  { core, signal }: Means,
): Promise<Undelivered | undefined> {
  try {
    return await deliver(
      { id: key.slice('pending/'.length), event: pending.event, channel },
      { core, signal },
    )
  } catch (error) {
    return { reason: messageOf(error), again: true }
  }
}

/** The oldest go when nobody takes anything for long. */
function bound({ kv, log }: Means): void {
  const pending = kv.list().filter(each => isPending(each.key))
  const byAge = pending.sort((a, b) => Date.parse(String(atOf(a.value))) - Date.parse(String(atOf(b.value))))
  for (const { key, value } of byAge.slice(0, Math.max(0, pending.length - mostPending))) {
    log.error({ channel: (value as Pending).channel }, 'too much waits to be told: the oldest is left out')
    kv.remove(key)
  }
}

function atOf(value: unknown): unknown {
  return (value as Pending).event.at
}
