import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import type { Visit } from '../../test/e2e/visitors.ts'
import type { Ground } from './ground.ts'
import { docker } from './own-engine.ts'
import type { Random } from './random.ts'

export interface Fault {
  readonly name: string
  readonly about: string
  readonly needs?: 'engine' | 'disk'
  /** Answers what was hit, and the one app it concerns where it does; undefined when there was nothing to hit. */
  strike(ground: Ground, random: Random): Promise<Hit | string | undefined>
  /** Which visits it may cost: none, those that were under way, WebSockets, or all until everything is back. */
  readonly costs: 'nothing' | 'under way' | 'websockets' | 'outage'
  /** Whether a push or another change may fail by it. */
  readonly stopsChanges: boolean
}

export interface Hit {
  readonly what: string
  readonly app: string
}

export interface Strike {
  readonly fault: Fault
  readonly hit: string
  /** The only one it may have cost something; undefined: any. */
  readonly app: string | undefined
  readonly at: number
  /** When it was made. */
  readonly done: number
  /** When everything was back; undefined while it is not. */
  readonly over: number | undefined
}

export const faults: readonly Fault[] = [
  {
    name: 'kill-daemon',
    about: 'SIGKILL for the daemon',
    costs: 'nothing',
    stopsChanges: true,
    async strike({ box }) {
      const pid = await box.daemonPid().catch(() => undefined)
      return pid && (await kill(pid)) ? `daemon ${pid}` : undefined
    },
  },
  {
    name: 'kill-worker',
    about: 'SIGKILL for one of the processes that serve',
    costs: 'under way',
    stopsChanges: false,
    async strike({ box }, random) {
      const workers = await workersOf(box.data)
      const pid = random.pick(workers)
      return pid && (await kill(pid)) ? `worker ${pid}` : undefined
    },
  },
  {
    name: 'kill-proxy',
    about: 'SIGKILL for the process that keeps the workers',
    costs: 'websockets',
    stopsChanges: true,
    async strike({ box }) {
      const pid = await proxyPid(box.data)
      return pid && (await kill(pid)) ? `proxy ${pid}` : undefined
    },
  },
  {
    name: 'remove-container',
    about: 'a container of the app is removed by force',
    costs: 'outage',
    stopsChanges: true,
    async strike({ box }, random) {
      const hit = random.pick(await containersOf(box))
      if (hit) await box.engine.remove(hit.what)
      return hit
    },
  },
  {
    name: 'stop-container',
    about: 'a container of the app is stopped',
    costs: 'outage',
    stopsChanges: true,
    async strike({ box }, random) {
      const hit = random.pick(await containersOf(box))
      if (hit) await box.engine.stop(hit.what, { seconds: 1 })
      return hit
    },
  },
  {
    name: 'cut-events',
    about: 'every connection to the engine is cut, the stream of events with them',
    costs: 'nothing',
    stopsChanges: true,
    async strike({ relay }, random) {
      const ms = Math.round(random.between(0, 2_000))
      await relay.cut(ms)
      return `refused for ${ms} ms`
    },
  },
  {
    name: 'slow-engine',
    about: 'the engine takes its time for a while',
    costs: 'nothing',
    stopsChanges: false,
    async strike({ relay }, random) {
      const ms = Math.round(random.between(100, 700))
      await relay.slow(ms, 4_000)
      return `each chunk ${ms} ms later`
    },
  },
  {
    name: 'drop-network',
    about: "the app's network is taken away from under its containers",
    costs: 'outage',
    stopsChanges: true,
    async strike({ box, docker: socket }, random) {
      const infos = await box.engine.networks()
      const ours = infos.filter(each => each.labels['com.davit.instance'] === box.instance)
      const network = random.pick(ours)
      if (!network) return undefined
      const app = network.labels['com.davit.app']!
      for (const { what } of (await containersOf(box)).filter(each => each.app === app))
        await docker(socket, 'network', 'disconnect', '--force', network.name, what)
      await docker(socket, 'network', 'rm', network.name)
      return { what: network.name, app }
    },
  },
  {
    name: 'kill-engine',
    about: 'SIGKILL for an engine of its own',
    needs: 'engine',
    costs: 'outage',
    stopsChanges: true,
    async strike({ ownEngine }, random) {
      const ms = Math.round(random.between(0, 3_000))
      await ownEngine!.kill(ms)
      return `started again after ${ms} ms`
    },
  },
  {
    name: 'restart-engine',
    about: 'an engine of its own is stopped, its containers with it, and started again',
    needs: 'engine',
    costs: 'outage',
    stopsChanges: true,
    async strike({ ownEngine }) {
      await ownEngine!.restart()
      return 'stopped and started again'
    },
  },
  {
    name: 'fill-disk',
    about: 'the disk with the data is full for a while',
    needs: 'disk',
    costs: 'nothing',
    stopsChanges: true,
    async strike({ disk }, random) {
      const ms = Math.round(random.between(1_000, 5_000))
      await disk!.fill()
      await pause(ms)
      await disk!.empty()
      return `for ${ms} ms`
    },
  },
]

/** Whether the strike is a reason for the visit's loss. Ends of connections are told a moment after the strike. */
export function explains(
  { fault, app, at, done, over = Infinity }: Strike,
  { kind, host, begun, ended, outcome }: Visit,
): boolean {
  if (app !== undefined && host !== `${app}.localhost`) return false
  if (outcome.kind !== 'lost' || ended < at || begun > over + 100) return false
  switch (fault.costs) {
    case 'nothing':
      return false
    case 'under way':
      return begun <= done + 50 && outcome.status === undefined
    case 'websockets':
      return kind === 'websocket' && outcome.status === undefined
    case 'outage':
      return true
  }
}

async function containersOf({ engine, instance }: Ground['box']): Promise<Hit[]> {
  const infos = await engine.containers({ 'com.davit.instance': instance })
  return infos
    .map(({ name, labels }) => ({ what: name, app: labels['com.davit.app']! }))
    .sort((a, b) => (a.what < b.what ? -1 : 1))
}

export async function proxyPid(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'proxy/proxy.pid'), 'utf8').catch(() => '')
  return Number(text) || undefined
}

export async function workersOf(data: string): Promise<number[]> {
  const pid = await proxyPid(data)
  const text = pid ? await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '') : ''
  return text.split(' ').filter(Boolean).map(Number)
}

/** Settles when the process is gone: until then its sockets still take connections. False when there was none. */
export async function kill(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
  while (existsSync(`/proc/${pid}`)) await pause(5)
  return true
}
