import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

import type { Ground } from './ground.ts'

export interface Start {
  readonly program: string
  readonly words: readonly string[]
  readonly env: Record<string, string>
  /** Where it writes what it says. */
  readonly log: string
  /** Descriptors that it inherits, from 3 on. */
  readonly sockets?: readonly number[]
  /** It has started when this answers. */
  readonly ready: () => Promise<boolean>
}

const startMs = 60_000
const graceMs = 15_000

/** Starts a server and waits until it answers; what it said stands in the error when it does not. `undo` ends it. */
export async function startServer(
  start: Start,
  { undo, signal }: Pick<Ground, 'undo' | 'signal'>,
): Promise<{ pid: number }> {
  signal.throwIfAborted()
  const log = openSync(start.log, 'a')
  const stdio = ['ignore', log, log, ...(start.sockets ?? [])] as const
  const child = spawn(start.program, start.words, { stdio: [...stdio], env: start.env })
  closeSync(log)
  undo.push(() => end(child))
  await once(child, 'spawn')
  const said = () => readFileSync(start.log, 'utf8').slice(-2000)
  for (const deadline = Date.now() + startMs; !(await start.ready()); await pause(20)) {
    if (hasEnded(child)) throw new Error(`${start.program} ended:\n${said()}`)
    if (Date.now() > deadline) throw new Error(`${start.program} does not answer:\n${said()}`)
  }
  return { pid: child.pid! }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const last = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await ended
  clearTimeout(last)
}

/** Whether `/small` is answered with 200 at this port. */
export function answers(port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    const asked = request({ host: '127.0.0.1', port, path: '/small', headers: { host }, agent: false })
    asked.on('error', () => resolve(false))
    asked.setTimeout(2_000, () => asked.destroy())
    asked.on('response', response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.end()
  })
}
