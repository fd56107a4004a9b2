import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

import { root } from '../../../src/settings.ts'
import { columns } from '../turns.ts'
import type { Part, Stage } from './part.ts'
import { familyOf } from './processes.ts'

/** Where Davit's first worker spends its time under each load: its functions by the time spent in themselves. */
export async function profileOf(parts: readonly Part[], stage: Stage): Promise<void> {
  const davit = stage.peers.find(({ name }) => name === 'Davit')!
  const worker = familyOf(davit.pid)[1]!
  for (const { what, prepare } of parts) {
    const { Davit: turn } = await prepare(stage)
    if (!turn) {
      console.log(`${what}: Davit does not do it yet\n`)
      continue
    }
    await turn()
    const inspector = await inspect(worker)
    await inspector.call('Profiler.start')
    const { rate } = await turn()
    const { profile } = (await inspector.call('Profiler.stop')) as { profile: Profile }
    inspector.close()
    const requests = (rate ?? 0) * stage.seconds
    console.log(`${what}, ${Math.round(requests)} requests\n\n${profileTable(profile, requests)}\n`)
  }
}

/** V8's CPU profile, as the protocol has it (Profiler.Profile). Time deltas are microseconds. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const shown = 40

/** The functions that took the most time themselves: share of the busy time, and microseconds of each request. */
export function profileTable(profile: Profile, requests: number): string {
  const times = selfTimes(profile)
  const busy = times.reduce((sum, { time }) => sum + time, 0)
  const rows = times.slice(0, shown).map(({ place, time }) => {
    const share = `${((100 * time) / busy).toFixed(1)} %`
    return [share, `${(time / requests).toFixed(2)} µs`, place]
  })
  return columns([['self', 'a request', 'function'], ...rows])
}

/** Busy microseconds by function, most first. */
export function selfTimes({ nodes, samples, timeDeltas }: Profile): { place: string; time: number }[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]))
  const times = new Map<string, number>()
  for (const [at, id] of samples.entries()) {
    const place = places.get(id)!
    // A delta is the time since the sample before.
    times.set(place, (times.get(place) ?? 0) + (timeDeltas[at + 1] ?? 0))
  }
  times.delete('(idle)')
  return [...times].map(([place, time]) => ({ place, time })).sort((a, b) => b.time - a.time)
}

function placeOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const file = url.replace('file://', '').replace(`${root}/`, '')
  if (file === '') return functionName
  return `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
}

interface Inspector {
  call(method: string): Promise<unknown>
  close(): void
}

/** Node opens its inspector on SIGUSR1, at the port that is usual for it. */
async function inspect(pid: number): Promise<Inspector> {
  process.kill(pid, 'SIGUSR1')
  const socket = new WebSocket(await debuggerUrl())
  await once(socket, 'open')
  let last = 0
  const waiting = new Map<number, (result: unknown) => void>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result)
  })
  const call = (method: string, params = {}) =>
    new Promise<unknown>(resolve => {
      const id = ++last
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params }))
    })
  await call('Profiler.enable')
  await call('Profiler.setSamplingInterval', { interval: 200 })
  return { call, close: () => socket.close() }
}

async function debuggerUrl(): Promise<string> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(50)) {
    const answer = await fetch('http://127.0.0.1:9229/json/list').catch(() => undefined)
    if (!answer?.ok) continue
    const [target] = (await answer.json()) as { webSocketDebuggerUrl: string }[]
    if (target) return target.webSocketDebuggerUrl
  }
  throw new Error("The worker's inspector does not answer on port 9229")
}
