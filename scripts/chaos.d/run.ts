import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { missing, settled, storeOf } from '../../test/e2e/leftovers.ts'
import { openVisitors } from '../../test/e2e/visitors.ts'
import { people } from './changes.ts'
import { type Fault, proxyPid, type Strike, workersOf } from './faults.ts'
import { type Ground, openGround } from './ground.ts'
import { type Random, randomOf } from './random.ts'
import { type Report, reportOf } from './report.ts'

export interface Chaos {
  readonly kills: number
  readonly minutes: number
  readonly seed: number
  readonly faults: readonly Fault[]
  /** Told of each fault as it is made. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** How long Davit may take to be whole again after a fault. */
const patienceMs = 90_000

/** Clients ask, people push, faults strike; then everything has to be as recorded, and a push has to work. */
export async function chaos({ kills, minutes, seed, faults, say, signal }: Chaos): Promise<Report> {
  const ground = await openGround({
    ownEngine: faults.some(each => each.needs === 'engine'),
    ...(faults.some(each => each.needs === 'disk') ? { disk: 'davit' } : {}),
  })
  try {
    const crew = people(ground, randomOf(seed + 1))
    const first = await crew.push()
    if (!first.fine) throw new Error(`The first push failed:\n${first.said}`)
    await ground.box.ssh('checks:set shop wait-to-retire 2')
    const began = Date.now()
    const over = new AbortController()
    const visitors = openVisitors({ port: ground.box.httpPort, host: 'shop.localhost' })
    const work = crew.busy(AbortSignal.any([signal, over.signal]))
    const until = began + minutes * 60_000
    const strikes = await strikeAll(ground, {
      kills,
      until,
      faults,
      say,
      began,
      signal,
      random: randomOf(seed),
    })
    over.abort()
    await work
    const last = signal.aborted ? undefined : await crew.push()
    const left = signal.aborted ? [] : await settled(ground.box, { withinMs: 15_000 })
    await visitors.stop()
    return reportOf({ seed, began, strikes, visits: visitors.visits, ...crew, last, left })
  } finally {
    await ground.close()
  }
}

interface Striking {
  readonly kills: number
  readonly until: number
  readonly faults: readonly Fault[]
  readonly say: (line: string) => void
  readonly began: number
  readonly signal: AbortSignal
  readonly random: Random
}

/** One in four does not wait until the one before is got over. */
async function strikeAll(
  ground: Ground,
  { kills, until, faults, say, began, signal, random }: Striking,
): Promise<readonly Strike[]> {
  const strikes: Strike[] = []
  const waits: Promise<void>[] = []
  while (strikes.length < kills && Date.now() < until && !signal.aborted) {
    await pause(random.between(200, 2_000), undefined, { signal }).catch(() => undefined)
    const fault = random.pick(faults)
    const hurry = random.next() < 0.25
    const at = Date.now()
    const hit = await fault
      .strike(ground, random)
      .catch((error: Error) => `nothing whole: ${error.message.trim()}`)
    if (hit === undefined) continue
    const place = strikes.push({ fault, hit, at, done: Date.now(), over: undefined }) - 1
    const back = whole(ground, signal).then(over => {
      strikes[place] = { ...strikes[place]!, over }
      const took = over === undefined ? 'not back' : `back after ${over - at} ms`
      say(
        `${seconds(at - began)}  ${String(place + 1).padStart(3)}  ${fault.name.padEnd(17)} ${hit}, ${took}`,
      )
    })
    waits.push(back)
    if (!hurry) await back
  }
  await Promise.all(waits)
  return strikes
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(7)} s`
}

/** When the app answers, daemon and proxy are there, and every container runs as recorded; undefined when that does not come about. */
async function whole({ box }: Ground, signal: AbortSignal): Promise<number | undefined> {
  const until = Date.now() + patienceMs
  const store = storeOf(box)
  try {
    while (Date.now() < until && !signal.aborted) {
      const signs = await Promise.all([
        box.get('shop.localhost', '/whole').then(({ status }) => status === 200),
        answers(join(box.dir, 'admin.sock')),
        workersOf(box.data).then(each => each.length > 0),
        proxyPid(box.data).then(pid => pid !== undefined),
        missing(box, store).then(each => each.length === 0),
      ]).catch(() => [false])
      if (signs.every(Boolean)) return Date.now()
      await pause(50)
    }
    return undefined
  } finally {
    store.close()
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
