import { readdirSync, readlinkSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

import { type Davit, startDavit } from './davit.ts'
import { percentile } from './generators.ts'
import type { Ground } from './ground.ts'
import type { Figures, Part, Stage } from './part.ts'

const changesInATurn = 50
const hostname = 'r0.test'

/** A route that is changed while all workers are asked for it without pause: how long until none of them goes the old way. */
export const changes: Part['prepare'] = async ({ ground }: Stage) => {
  const workers = Math.max(2, ground.workers)
  const few = await startDavit({ ...ground, workers }, { routes: 1 })
  const many = await startDavit({ ...ground, workers }, { routes: 10_000 })
  return {
    Davit: async () => {
      const one = await changeAgainAndAgain(few, ground)
      const all = await changeAgainAndAgain(many, ground)
      return { ...one, manyForce: all.force!, manyWorst: all.worst!, manyTold: all.told! }
    },
  }
}

async function changeAgainAndAgain(davit: Davit, { backend, speaker }: Ground): Promise<Figures> {
  const visitors = await visitorsOfAll(davit)
  const force: number[] = []
  const told: number[] = []
  try {
    for (let at = 0; at < changesInATurn; at++) {
      const [port, answer] = at % 2 ? [backend, 'hello\n'] : [speaker, 'thanks\n']
      const began = performance.now()
      const acknowledged = davit.point(hostname, port).then(() => told.push(performance.now() - began))
      const seen = await Promise.all(visitors.map(visitor => visitor.until(answer)))
      force.push(Math.max(...seen) - began)
      await acknowledged
    }
  } finally {
    for (const visitor of visitors) visitor.leave()
  }
  return {
    force: percentile(force, 50),
    worst: Math.max(...force),
    told: percentile(told, 50),
    errors: 0,
  }
}

interface Visitor {
  /** Asks until this is the answer; when that was. */
  until(answer: string): Promise<number>
  leave(): void
}

/** One kept connection to every worker. Which of them takes a new one is the kernel's choice. */
async function visitorsOfAll(davit: Davit): Promise<readonly Visitor[]> {
  const left = new Map(davit.workers().map(pid => [pid, socketsOf(pid)]))
  const [visitors, others]: [Visitor[], Visitor[]] = [[], []]
  for (let tries = 0; tries < 500 && left.size > 0; tries++) {
    const visitor = await visit(davit.http)
    const own = [...left].find(([pid, sockets]) => socketsOf(pid) > sockets)
    own && left.delete(own[0]) ? visitors.push(visitor) : others.push(visitor)
  }
  for (const visitor of others) visitor.leave()
  if (left.size > 0) throw new Error('One of the workers gets no connection')
  return visitors
}

function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter(fd => linkOf(`${folder}/${fd}`).startsWith('socket:')).length
}

/** The folder's own descriptor is gone by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

async function visit(port: number): Promise<Visitor> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  await ask(port, agent)
  return {
    async until(answer) {
      for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(0)) {
        if ((await ask(port, agent)) === answer) return performance.now()
      }
      throw new Error(`A changed route was not in force within 10 s`)
    },
    leave: () => agent.destroy(),
  }
}

function ask(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: '/small', agent, headers: { host: hostname } })
    asked.on('error', reject)
    asked.on('response', async response => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve(body)
    })
    asked.end()
  })
}
