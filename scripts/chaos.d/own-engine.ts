import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { run } from '../../test/e2e/sandbox.ts'

/** A container engine of one's own, with davit/stack-base in it: it may be killed without anybody else's loss. */
export interface OwnEngine {
  readonly socket: string
  /** SIGKILL, and a new one after `awayMs`. */
  kill(awayMs: number): Promise<void>
  /** As a service manager would: asked to end, which ends its containers, and started again. */
  restart(): Promise<void>
  /** As when a host goes down without warning: no engine, no container, nothing mounted, no bridge; what was on the disk stays. */
  powerOff(): Promise<void>
  powerOn(): Promise<void>
  close(): Promise<void>
}

/** Needs root. The firewall's chains are shared by all engines of a host, so this one leaves them alone. */
export async function openOwnEngine(dir: string): Promise<OwnEngine> {
  await mkdir(dir, { recursive: true })
  const socket = join(dir, 'docker.sock')
  let child = await start(dir, socket)
  try {
    await bring('davit/stack-base', socket)
  } catch (error) {
    await end(dir, child)
    throw error
  }
  return {
    socket,
    async kill(awayMs) {
      child.kill('SIGKILL')
      await ended(child)
      // Its containerd may outlive it and hold what the next one needs; what runs in containers goes on.
      await killAll(await processesIn(dir, /\/containerd$/))
      await pause(awayMs)
      child = await started(dir, socket)
    },
    async restart() {
      child.kill('SIGTERM')
      await ended(child)
      child = await started(dir, socket)
    },
    async powerOff() {
      const bridges = await bridgesOf(socket)
      const containers = await initsOf(socket)
      child.kill('SIGKILL')
      await ended(child)
      await killAll(await processesIn(dir, programs))
      await killAll(containers)
      for (const each of [...bridges, bridgeOf(dir)]) await run('ip', ['link', 'delete', each])
      await unmount(dir)
      await rm(join(dir, 'exec'), { recursive: true, force: true })
    },
    async powerOn() {
      child = await started(dir, socket)
    },
    close: () => end(dir, child),
  }
}

const programs = /\/(dockerd|containerd|containerd-shim|containerd-shim-runc-v2)$/

/** Interfaces of the networks that were made on it. */
async function bridgesOf(socket: string): Promise<string[]> {
  const { stdout } = await docker(socket, 'network', 'ls', '--quiet', '--no-trunc', '--filter=type=custom')
  return words(stdout).map(id => `br-${id.slice(0, 12)}`)
}

/** The first process of each container, with which the others end. */
async function initsOf(socket: string): Promise<number[]> {
  const ids = words((await docker(socket, 'ps', '--quiet')).stdout)
  if (ids.length === 0) return []
  return words((await docker(socket, 'inspect', '--format={{.State.Pid}}', ...ids)).stdout).map(Number)
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean)
}

/** As a service manager would: once more when it ends before it is up. */
async function started(dir: string, socket: string): Promise<ChildProcess> {
  for (let tries = 1; ; tries++) {
    await rm(join(dir, 'docker.pid'), { force: true })
    try {
      return await start(dir, socket)
    } catch (error) {
      if (tries === 3) throw error
    }
  }
}

async function start(dir: string, socket: string): Promise<ChildProcess> {
  const words = [
    ...['--host', `unix://${socket}`, '--pidfile', join(dir, 'docker.pid')],
    ...['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')],
    ...['--bridge', await ensureBridge(dir), '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
    ...['--userland-proxy=false', '--log-level', 'warn'],
  ]
  // A session of its own: Ctrl-C must not end it before what runs on it is taken away.
  const child = spawn('dockerd', words, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(join(dir, 'log'), { flags: 'a' })
  child.stdout!.pipe(log, { end: false })
  child.stderr!.pipe(log, { end: false })
  const failed = once(child, 'error').then(([error]) => Promise.reject(error))
  failed.catch(() => undefined)
  for (let tries = 0; tries < 300; tries++) {
    if ((await Promise.race([docker(socket, 'version'), failed])).code === 0) return child
    if (child.exitCode !== null) break
    await pause(100)
  }
  const said = await readFile(join(dir, 'log'), 'utf8')
  throw new Error(`An engine of one's own did not start:\n${said.split('\n').slice(-10).join('\n')}`)
}

/** Of its own and unused: with `none` an engine takes the host's docker0 away, which is another engine's. */
async function ensureBridge(dir: string): Promise<string> {
  const name = bridgeOf(dir)
  await run('ip', ['link', 'add', 'name', name, 'type', 'bridge'])
  await run('ip', ['addr', 'replace', '198.18.0.1/24', 'dev', name])
  return name
}

/** Names of interfaces have at most 15 characters. */
function bridgeOf(dir: string): string {
  return `dv${createHash('sha256').update(dir).digest('hex').slice(0, 10)}`
}

export function docker(socket: string, ...words: string[]) {
  return run('docker', ['--host', `unix://${socket}`, ...words])
}

async function bring(image: string, socket: string): Promise<void> {
  const save = spawn('docker', ['save', image], { stdio: ['ignore', 'pipe', 'inherit'] })
  const load = spawn('docker', ['--host', `unix://${socket}`, 'load', '--quiet'], {
    stdio: [save.stdout!, 'ignore', 'inherit'],
  })
  const codes = await Promise.all([save, load].map(async each => (await once(each, 'exit'))[0]))
  if (codes.some(code => code !== 0))
    throw new Error(`${image} could not be copied into an engine of one's own.`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function end(dir: string, child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  const last = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await ended(child)
  clearTimeout(last)
  await killAll(await processesIn(dir, programs))
  await run('ip', ['link', 'delete', bridgeOf(dir)])
  await unmount(dir)
  await rm(dir, { recursive: true, force: true })
}

/** What a killed engine left running: all of it names the folder. */
async function processesIn(dir: string, programs: RegExp): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(each => each > 1)
  const found = await Promise.all(
    pids.map(async pid => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
      return programs.test(program) && command.includes(`${dir}/`)
    }),
  )
  return pids.filter((_, at) => found[at])
}

async function killAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  while (pids.some(pid => existsSync(`/proc/${pid}`))) await pause(20)
}

async function unmount(dir: string): Promise<void> {
  const table = await readFile('/proc/self/mounts', 'utf8')
  const paths = table.split('\n').map(line => line.split(' ')[1] ?? '')
  for (const path of paths.filter(each => each.startsWith(`${dir}/`)).reverse())
    await run('umount', ['--lazy', path])
}
