import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { run } from '../../test/e2e/sandbox.ts'

/** A container engine of one's own, with davit/stack-base in it: it may be killed without anybody else's loss. */
export interface OwnEngine {
  readonly socket: string
  /** SIGKILL, and a new one after `awayMs`. */
  kill(awayMs: number): Promise<void>
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
      await pause(awayMs)
      await rm(join(dir, 'docker.pid'), { force: true })
      child = await start(dir, socket)
    },
    close: () => end(dir, child),
  }
}

async function start(dir: string, socket: string): Promise<ChildProcess> {
  const words = [
    ...['--host', `unix://${socket}`, '--pidfile', join(dir, 'docker.pid')],
    ...['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')],
    ...['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
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
  for (const pid of await processesIn(dir)) process.kill(pid, 'SIGKILL')
  await unmount(dir)
  await rm(dir, { recursive: true, force: true })
}

/** What a killed engine left running: all of it names the folder. */
async function processesIn(dir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(each => each > 1 && each !== process.pid)
  const found = await Promise.all(
    pids.map(async pid => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
      return (
        /(containerd|containerd-shim|containerd-shim-runc-v2|dockerd)$/.test(program) && command.includes(dir)
      )
    }),
  )
  return pids.filter((_, at) => found[at])
}

async function unmount(dir: string): Promise<void> {
  const table = await readFile('/proc/self/mounts', 'utf8')
  const paths = table.split('\n').map(line => line.split(' ')[1] ?? '')
  for (const path of paths.filter(each => each.startsWith(`${dir}/`)).reverse())
    await run('umount', ['--lazy', path])
}
