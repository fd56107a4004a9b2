import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'

import { plainEnv } from '../../src/settings.ts'

/** proc(5): what a process has in memory. */
export async function residentKb(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1])
}

/** User and system, of its whole life. */
export async function cpuSeconds(pid: number): Promise<number> {
  const [, ...fields] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const [user, system] = fields.join(') ').split(' ').slice(11, 13).map(Number) as [number, number]
  return (user + system) / 100
}

/** Descriptors that a process has open. */
export async function descriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

/** Debian's package of each tool that is not ours. */
const packages: Readonly<Record<string, string>> = {
  h2load: 'nghttp2-client',
  slowhttptest: 'slowhttptest',
  testssl: 'testssl.sh',
}

/** Runs a tool to its end, unless told to stop, and has what it said. */
export async function outputOf(words: readonly string[], signal: AbortSignal): Promise<string> {
  const [tool, ...more] = words as [string, ...string[]]
  const env = { ...plainEnv(), TERM: 'dumb' }
  const child = spawn(tool, more, { stdio: ['ignore', 'pipe', 'inherit'], env, signal })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  const failed = once(child, 'error').then(([error]: NodeJS.ErrnoException[]) => {
    if (error?.code === 'ENOENT')
      throw new Error(`${tool} is needed: apt-get install ${packages[tool] ?? tool}`)
    if (!signal.aborted) throw error
  })
  await Promise.race([once(child, 'close'), failed])
  return output
}
