import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { missing, settled, storeOf } from '../../test/e2e/leftovers.ts'
import { kinds, openVisitors } from '../../test/e2e/visitors.ts'
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
  /** With more than one there are also some that come and go. */
  readonly apps: number
  /** How long after a fault is over everything has to be back. */
  readonly withinMs: number
  /** Told of each fault as it is made. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** How long Davit may take to be whole again after a fault. */
const patienceMs = 90_000

/** Clients ask, people push, faults strike; then everything has to be as recorded, and a push has to work. */
export async function chaos({
  kills,
  minutes,
  seed,
  faults,
  apps,
  withinMs,
  say,
  signal,
}: Chaos): Promise<Report> {
  const ground = await openGround({
    apps,
    ownEngine: faults.some(each => each.needs === 'engine'),
    ...(faults.some(each => each.needs === 'disk') ? { disk: 'davit' } : {}),
  })
  try {
    const crew = people(ground, randomOf(seed + 1))
    const [refused] = await crew.pushAll()
    if (refused) throw new Error(`The first push failed:\n${refused.said}`)
    for (const app of Object.keys(ground.apps)) await ground.box.ssh(`checks:set ${app} wait-to-retire 2`)
    const began = Date.now()
    const over = new AbortController()
    const visitors = Object.keys(ground.apps).map((app, at) =>
      openVisitors(
        { port: ground.box.httpPort, host: `${app}.localhost`, sign: `${app}/` },
        at === 0 ? kinds : ['kept', 'new', 'websocket'],
      ),
    )
    const until = AbortSignal.any([signal, over.signal])
    const work = [crew.busy(until), ...(apps > 1 ? [crew.comeAndGo(until)] : [])]
    const strikes = await strikeAll(ground, {
      kills,
      until: began + minutes * 60_000,
      faults,
      say,
      began,
      signal,
      random: randomOf(seed),
    })
    over.abort()
    await Promise.all(work)
    const last = signal.aborted ? undefined : await crew.pushAll()
    const left = signal.aborted ? [] : await settled(ground.box, { withinMs: 15_000 })
    for (const each of visitors) await each.stop()
    const visits = [...visitors, ...crew.guests].flatMap(each => each.visits)
    return reportOf({ seed, withinMs, began, strikes, visits, ...crew, last, left })
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
    const { what, app } = typeof hit === 'string' ? { what: hit, app: undefined } : hit
    const place = strikes.push({ fault, hit: what, app, at, done: Date.now(), over: undefined }) - 1
    const back = whole(ground, signal).then(over => {
      strikes[place] = { ...strikes[place]!, over }
      const took = over === undefined ? 'not back' : `back after ${over - at} ms`
      say(
        `${seconds(at - began)}  ${String(place + 1).padStart(3)}  ${fault.name.padEnd(17)} ${what}, ${took}`,
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
async function whole({ box, apps }: Ground, signal: AbortSignal): Promise<number | undefined> {
  const until = Date.now() + patienceMs
  const store = storeOf(box)
  try {
    while (Date.now() < until && !signal.aborted) {
      const signs = await Promise.all([
        ...Object.keys(apps).map(async app =>
          (await box.get(`${app}.localhost`, '/whole')).body.startsWith(`/whole ${app}/`),
        ),
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
