import { setTimeout as pause } from 'node:timers/promises'

import { settled, storeOf } from '../../test/e2e/leftovers.ts'
import { people } from './changes.ts'
import { kill, proxyPid, workersOf } from './faults.ts'
import { type Ground, openGround } from './ground.ts'
import { randomOf } from './random.ts'

export interface Reboots {
  readonly apps: number
  /** How soon every app has to serve again. */
  readonly withinMs: number
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export const orders = ['engine first', 'Davit first'] as const
export type Order = (typeof orders)[number]

export interface Reboot {
  readonly order: Order
  /** From the first part that comes up to the answer of the last app; undefined when that did not come about. */
  readonly ms: number | undefined
  /** In sentences. */
  readonly wrong: readonly string[]
}

/** How long the one is up before the other. */
const apartMs = 3_000

/**
 * The host goes down without warning, and comes up: all apps have to serve what they served before, without a deploy. Once with the
 * engine up first, once with Davit. Needs root.
 */
export async function reboots({ apps, withinMs, say, signal }: Reboots): Promise<readonly Reboot[]> {
  const ground = await openGround({ ownEngine: true, apps })
  try {
    const crew = people(ground, randomOf(1))
    const [refused] = await crew.pushAll()
    if (refused) throw new Error(`A push failed:\n${refused.said}`)
    const versions = new Map(crew.versions.map(({ app, name }) => [app, name]))
    say(`${apps} apps are live`)
    const done: Reboot[] = []
    for (const order of orders) {
      if (signal.aborted) break
      const before = releases(ground)
      await powerOff(ground)
      const serving = await powerOn(ground, { order, versions, withinMs })
      const wrong = [
        ...serving.wrong,
        ...(await settled(ground.box, { withinMs: 15_000 })),
        ...(releases(ground) === before ? [] : ['there are other releases than before']),
      ]
      done.push({ order, ms: serving.ms, wrong })
      const took = serving.ms === undefined ? 'not all are back' : `all serve after ${seconds(serving.ms)}`
      say(`${order}: ${took}, the first one after ${seconds(serving.firstMs)}`)
    }
    return done
  } finally {
    await ground.close()
  }
}

export function isFine(reboots: readonly Reboot[]): boolean {
  return (
    reboots.length === orders.length &&
    reboots.every(each => each.ms !== undefined && each.wrong.length === 0)
  )
}

/** Davit's processes and the engine's with all containers, at once. */
async function powerOff({ box, ownEngine }: Ground): Promise<void> {
  const pids = [await box.daemonPid(), await proxyPid(box.data), ...(await workersOf(box.data))]
  const stopped = box.stop('SIGKILL')
  await Promise.all([stopped, ...pids.map(pid => pid && kill(pid)), ownEngine!.powerOff()])
}

interface Expected {
  readonly order: Order
  readonly versions: ReadonlyMap<string, string>
  readonly withinMs: number
}

async function powerOn({ box, ownEngine }: Ground, { order, versions, withinMs }: Expected) {
  const began = Date.now()
  const up = [() => ownEngine!.powerOn(), () => box.start()]
  if (order === 'Davit first') up.reverse()
  const starting = Promise.all(up.map((each, at) => pause(at * apartMs).then(each)))
  const asked = [...versions].map(([app, version]) => servesAgain(box, app, version, began + withinMs))
  const [apps] = await Promise.all([Promise.all(asked), starting])
  const times = apps.flatMap(({ at }) => (at === undefined ? [] : at - began)).sort((a, b) => a - b)
  const wrong = apps.flatMap(each => each.wrong)
  return { ms: times.length === apps.length ? times.at(-1)! : undefined, firstMs: times[0], wrong }
}

/** Asks until it answers as before. Another app's answer, or another version's, is worse than none. */
async function servesAgain(box: Ground['box'], app: string, version: string, until: number) {
  const wanted = `/up ${version}\n`
  while (Date.now() < until) {
    const { status, body } = await box.get(`${app}.localhost`, '/up').catch(() => ({ status: 0, body: '' }))
    if (status === 200 && body === wanted) return { at: Date.now(), wrong: [] }
    if (status === 200) return { at: undefined, wrong: [`${app} answered ${JSON.stringify(body)}`] }
    await pause(100)
  }
  return { at: undefined, wrong: [`${app} did not come back`] }
}

/** Whether anything was deployed meanwhile shows in them. */
function releases(ground: Ground): string {
  const store = storeOf(ground.box)
  try {
    return JSON.stringify(store.apps.list().map(each => [each.name, store.releases.list(each.name).length]))
  } finally {
    store.close()
  }
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'no time' : `${(ms / 1000).toFixed(1)} s`
}
