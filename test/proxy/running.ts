import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import pino from 'pino'
import type { Test } from 'tap'

import { connectEdge } from '../../src/edge/client.ts'
import { openSocket } from '../../src/listen.ts'
import { plainEnv, root } from '../../src/settings.ts'

/** As on a host, nobody waits for a compiler. */
const compiled = join(root, 'node_modules/.cache/davit')

/** A whole proxy, primary and workers, on a socket that the test holds. */
export async function running(
  t: Pick<Test, 'teardown'>,
  { workers = 2, data, flags = [] }: { workers?: number; data?: string; flags?: readonly string[] } = {},
) {
  const home = data ?? (await dataFolder(t))
  const loopback = { host: '127.0.0.1', port: 0 }
  const socket = openSocket(loopback, { flag: 'http-listen' })
  const secure = openSocket(loopback, { flag: 'https-listen' })
  t.teardown(() => {
    socket.close()
    secure.close()
  })
  let output = ''
  let child: ChildProcess

  function start() {
    const program = join(import.meta.dirname, 'program.ts')
    const words = ['proxy', '--data', home, '--workers', String(workers), ...flags]
    child = spawn(process.execPath, [program, ...words], {
      stdio: ['ignore', 'pipe', 'pipe', socket.fd, secure.fd],
      env: { ...plainEnv(), NODE_COMPILE_CACHE: compiled, LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:https' },
    })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM') {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  /** The one that serves now, which may have taken the place of the first. */
  const serving = async () => Number(await readFile(join(home, 'proxy/proxy.pid'), 'utf8').catch(() => 0))

  /** Whoever serves, and one that is just taking its place and says so nowhere yet. */
  async function stopAll() {
    const pids = [await serving(), child.pid!].filter(pid => pid !== 0)
    const heirs = (await Promise.all(pids.map(childrenOf))).flat()
    await stop()
    for (const pid of [...pids, ...heirs]) {
      if (pid === child.pid || !(await isAlive(pid))) continue
      process.kill(pid, 'SIGTERM')
      while (await isAlive(pid)) await pause(20)
    }
  }

  start()
  t.teardown(stopAll)
  return {
    data: home,
    port: socket.port,
    httpsPort: secure.port,
    start,
    stop,
    pid: () => child.pid!,
    serving,
    /** Resolves when the log says so. */
    says: async (pattern: RegExp) => {
      while (!pattern.test(output)) await once(child.stdout!, 'data')
      return output
    },
    edge: () => {
      const edge = connectEdge({
        socketPath: join(home, 'proxy/control.sock'),
        log: pino({ level: 'silent' }),
      })
      t.teardown(() => edge.close())
      return edge
    },
    /** Process ids of the workers there are. */
    workers: () => childrenOf(child.pid!),
  }
}

export async function dataFolder(t: Pick<Test, 'teardown'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'davit-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** proc(5). */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text.trim().split(' ').filter(Boolean).map(Number)
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/\) Z /.test(stat)
}
