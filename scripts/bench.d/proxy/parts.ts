import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { median } from '../turns.ts'
import { changes } from './change.ts'
import { echoes, handshakes, openIdle } from './clients.ts'
import { h2load, wrk } from './generators.ts'
import { hosts } from './ground.ts'
import { type Figures, large, loaded, memory, type Part, rows, turns, underLoad } from './part.ts'
import type { Peer } from './peers.ts'
import { familyOf, pssOf } from './processes.ts'

const MB = 1024 ** 2
/** Loads of each kind in a turn. */
const slices = 3

const loads: readonly Part[] = [
  {
    name: 'small',
    what: 'small GETs, kept connections',
    rows: rows({ beside: 'nginx', most: 2.3 }, { beside: 'Caddy', most: 1 / 1.7 }),
    prepare: loaded(({ http }, load) =>
      wrk({ ...load, url: `http://127.0.0.1:${http}/small`, connections: 64 }),
    ),
  },
  {
    name: '1k',
    what: 'answers of 1 KB',
    rows: rows(),
    prepare: loaded(({ http }, load) =>
      wrk({ ...load, url: `http://127.0.0.1:${http}/1k`, connections: 64 }),
    ),
  },
  {
    name: '100k',
    what: 'answers of 100 KB',
    rows: rows({ beside: 'nginx', most: 1.6 }),
    prepare: loaded(({ http }, load) =>
      wrk({ ...load, url: `http://127.0.0.1:${http}/100k`, connections: 16 }),
    ),
  },
  large('down', '10 MB down', ({ http }, load) =>
    wrk({ ...load, url: `http://127.0.0.1:${http}/10m`, connections: 8 }),
  ),
  large('up', '10 MB up', ({ http }, load) =>
    wrk(
      {
        ...load,
        url: `http://127.0.0.1:${http}/`,
        connections: 8,
        headers: [`Host: ${hosts.speaker}`],
      },
      { bytes: 10 * MB },
    ),
  ),
  {
    name: 'connect',
    what: 'a new connection for each GET',
    rows: rows(),
    prepare: loaded(({ http }, load) =>
      wrk({
        ...load,
        url: `http://127.0.0.1:${http}/small`,
        connections: 32,
        headers: [`Host: ${hosts.app}`, 'Connection: close'],
      }),
    ),
  },
  {
    name: 'tls',
    what: 'TLS 1.3, small GETs, kept connections',
    rows: rows({ beside: 'nginx', most: 2.2 }),
    prepare: loaded(
      ({ https }, load) =>
        wrk({ ...load, headers: [], url: `https://${hosts.secure}:${https}/small`, connections: 64 }),
      { secure: true },
    ),
  },
  {
    name: 'handshake',
    what: 'TLS 1.3 handshakes, each with a GET',
    rows: rows(),
    prepare: loaded((peer, { seconds }) => handshakes(peer, seconds), { secure: true }),
  },
  {
    name: 'http2',
    what: 'HTTP/2, 100 streams on each of 4 connections',
    rows: rows({ beside: 'nginx', most: 2 }),
    prepare: loaded(
      ({ https }, load, { dir }) =>
        h2load(
          { ...load, headers: [], url: `https://${hosts.secure}:${https}/small`, connections: 4 },
          { streams: 100, log: join(dir, 'h2load.log') },
        ),
      { secure: true },
    ),
  },
  {
    name: 'websockets',
    what: '1,000 WebSockets, 100 bytes echoed',
    rows: [{ of: 'cpu', figure: 'CPU a message', unit: 'µs' }, ...rows().filter(({ of }) => of !== 'cpu')],
    prepare: loaded((peer, { seconds }, _ground, begin) => echoes(peer, { count: 1000, seconds, begin })),
  },
]

const idle: Part = {
  name: 'idle',
  what: '10,000 idle connections',
  rows: [
    { of: 'rest', figure: 'memory without them', unit: 'MB' },
    memory,
    { of: 'each', figure: 'memory a connection', unit: 'KB' },
  ],
  async prepare({ fresh }) {
    const count = 10_000
    const peers = await fresh({ routes: 0 })
    const rest = new Map(peers.map(({ pid }) => [pid, pssOf(familyOf(pid))]))
    return turns(peers, async peer => {
      const open = await openIdle(peer, count)
      await pause(1000)
      const memory = pssOf(familyOf(peer.pid))
      const errors = count - open.open()
      await open.close()
      const before = rest.get(peer.pid)!
      return { rest: before, memory, each: ((memory - before) * 1024) / count, errors }
    })
  },
}

const routes: Part = {
  name: 'routes',
  what: 'small GETs, 1 and 10,000 routes',
  rows: [
    { of: 'one', figure: 'CPU a request, 1', unit: 'µs' },
    { of: 'same', figure: 'CPU a request, one of 10,000', unit: 'µs' },
    { of: 'sameOver', figure: 'one of 10,000 over 1', unit: 'x', targets: [{ most: 1.03 }] },
    { of: 'many', figure: 'CPU a request, 10,000 in turn', unit: 'µs' },
    { of: 'over', figure: '10,000 in turn over 1', unit: 'x', targets: [{ most: 1.03 }] },
    { of: 'memory', figure: 'memory (PSS), 10,000', unit: 'MB' },
  ],
  async prepare(stage) {
    const one = await stage.fresh({ routes: 1 })
    const many = await stage.fresh({ routes: 10_000 })
    const ask = (peer: Peer, count: number) =>
      underLoad(peer, stage, ({ http }, load) =>
        wrk(
          { ...load, headers: [], url: `http://127.0.0.1:${http}/small`, connections: 64 },
          { routes: count },
        ),
      )
    return turns(one, async peer => {
      const full = many.find(({ name }) => name === peer.name)!
      const few: Figures[] = []
      const same: Figures[] = []
      const all: Figures[] = []
      // One after the other, again and again: what is compared differs by less than this machine does within a minute.
      for (let slice = 0; slice < slices; slice++) {
        few.push(await ask(peer, 1))
        same.push(await ask(full, 1))
      }
      for (let slice = 0; slice < slices; slice++) all.push(await ask(full, 10_000))
      const cpu = (of: readonly Figures[]) => median(of.map(each => each.cpu!))
      return {
        one: cpu(few),
        same: cpu(same),
        sameOver: cpu(same) / cpu(few),
        many: cpu(all),
        over: cpu(all) / cpu(few),
        memory: all.at(-1)!.memory!,
        errors: [...few, ...same, ...all].reduce((sum, { errors }) => sum + errors!, 0),
      }
    })
  },
}

const change: Part = {
  name: 'change',
  what: 'a changed route',
  rows: [
    { of: 'force', figure: 'in force in all workers, 1 route', unit: 'ms' },
    { of: 'worst', figure: 'the slowest of 50', unit: 'ms', targets: [{ most: 10 }] },
    { of: 'manyForce', figure: 'in force, 10,000 routes', unit: 'ms' },
    { of: 'manyWorst', figure: 'the slowest of 50, 10,000 routes', unit: 'ms', targets: [{ most: 10 }] },
    { of: 'manyTold', figure: 'acknowledged, 10,000 routes', unit: 'ms' },
  ],
  prepare: changes,
}

export const parts: readonly Part[] = [...loads, idle, routes, change]
