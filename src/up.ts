import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { UserError } from './errors.ts'
import { type Kept, keep } from './keep.ts'
import { type HeldSocket, openSocket, orNoHttps } from './listen.ts'
import type { Logger } from './log.ts'
import { alive, read, startOf } from './pid.ts'
import { type Listen, plainEnv, root, type Settings, settingsEnv } from './settings.ts'

/** Until a child is started again. Everybody's requests wait for the proxy, so it never waits long. */
const patience = {
  serve: { firstMs: 250, longestMs: 10_000 },
  proxy: { firstMs: 100, longestMs: 2_000 },
}

/** How long daemon and proxy have to end by themselves. */
const graceMs = 20_000

/**
 * `davit up`: holds the listening sockets and keeps daemon and proxy running on them, each as its user, until SIGTERM, SIGINT or SIGHUP.
 * UserErrors before anything is started: `already-up`, `port-taken`, `port-forbidden`, `no-user`.
 */
export async function up(
  settings: Settings,
  { log, program = join(root, 'src/main.ts') }: UpOptions,
): Promise<void> {
  const told = untilTold()
  const users = settings.users && (await findUsers(settings.users))
  makeFolders(settings.data, users)
  const lock = await takeLock(settings.data)
  try {
    const sockets = openSockets(settings, log)
    const { ssh, http, https } = sockets
    // What daemon and proxy are told is what there is.
    const known = https ? settings : { ...settings, httpsListen: undefined }
    const start = (name: 'serve' | 'proxy', held: readonly Named[], user: User | undefined) =>
      keep(
        name === 'serve' ? 'the daemon' : 'the proxy',
        () => launch(program, name, { sockets: held, user, settings: known }),
        { ...patience[name], steadyMs: 60_000, log },
      )
    const proxy = start('proxy', https ? [http, https] : [http], users?.proxy)
    const daemon = start('serve', [ssh], users?.daemon)
    log.info(
      `up: SSH on port ${ssh.port}, HTTP on port ${http.port}, ${https ? `HTTPS on port ${https.port}` : 'no HTTPS'}`,
    )
    log.info(`going down: ${await told}`)
    await stop([daemon, proxy])
    for (const socket of [ssh, http, https]) socket?.close()
  } finally {
    lock.release()
  }
}

export interface UpOptions {
  readonly log: Logger
  /** Started with `serve` and with `proxy`. */
  readonly program?: string
}

/** The daemon first: it still speaks to the proxy. */
async function stop(children: readonly Kept[]): Promise<void> {
  for (const child of children) await child.stop({ graceMs })
}

/** Calls back when whoever started this process is gone, however it ended. A process started by hand never hears it. */
export function whenSupervisorGoes(listener: () => void): void {
  process.on('disconnect', listener)
}

// Sockets ------------------------------------------------------------------------------------------------

type Named = HeldSocket & { readonly name: string }

interface Sockets {
  readonly ssh: Named
  readonly http: Named
  /** Undefined where it cannot be had: then there is no HTTPS, and all the rest. */
  readonly https: Named | undefined
}

function openSockets({ sshListen, httpListen, httpsListen }: Settings, log: Logger): Sockets {
  const ssh = openNamed('ssh', sshListen)
  try {
    return {
      ssh,
      http: openNamed('http', httpListen),
      https: httpsListen && orNoHttps(() => openNamed('https', httpsListen), log),
    }
  } catch (error) {
    ssh.close()
    throw error
  }
}

function openNamed(name: string, listen: Listen): Named {
  return { ...openSocket(listen, { flag: `${name}-listen` }), name }
}

// Children -----------------------------------------------------------------------------------------------

interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

interface Launch {
  readonly sockets: readonly Named[]
  readonly user: User | undefined
  readonly settings: Settings
}

/** The IPC channel says nothing: its end tells the child that we are gone. */
function launch(program: string, command: string, { sockets, user, settings }: Launch): ChildProcess {
  const words = [process.execPath, program, command]
  const as = user ? [...becoming(user, command), ...words] : words
  const home = user ? { HOME: settings.data, USER: user.name, LOGNAME: user.name } : {}
  return spawn(as[0]!, as.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', ...sockets.map(each => each.fd), 'ipc'],
    env: {
      ...plainEnv(),
      ...home,
      ...compiledEnv(user),
      ...settingsEnv(settings),
      LISTEN_FDS: String(sockets.length),
      LISTEN_FDNAMES: sockets.map(each => each.name).join(':'),
    },
  })
}

/** Node would leave the user's other groups (docker) out. The daemon runs executable plugins as yet another user, and ends them. */
function becoming({ uid, gid }: User, command: string): string[] {
  const caps = command === 'serve' ? ['inh', 'ambient'].map(set => `--${set}-caps=+setuid,+setgid,+kill`) : []
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', ...caps, '--']
}

/**
 * Where Node keeps the program as it compiled it: a process that finds it there needs no compiler for TypeScript, which would hold some
 * 20 MB. Whoever writes there decides what runs, so each user has a folder of its own. In a program that cannot be written to there is none.
 */
function compiledEnv(user: User | undefined): Record<string, string> {
  const folder = join(root, 'node_modules/.cache/davit', user?.name ?? '')
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o755 })
    if (made && user) chownSync(folder, user.uid, user.gid)
    return { NODE_COMPILE_CACHE: folder }
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return {}
    throw error
  }
}

async function findUsers({ daemon, proxy }: NonNullable<Settings['users']>) {
  return { daemon: await findUser(daemon), proxy: await findUser(proxy) }
}

async function findUser(name: string): Promise<User> {
  const id = async (flag: string) => Number((await promisify(execFile)('id', [flag, '--', name])).stdout)
  try {
    return { name, uid: await id('-u'), gid: await id('-g') }
  } catch (cause) {
    throw new UserError('no-user', `There is no user ${name}.`, 'Name one with: --user NAME', { cause })
  }
}

/**
 * The proxy's folder is its own; the daemon's group comes in to reach the control socket, and new files take that group. The other way
 * round is the daemon's folder for the socket on which it answers for plugins.
 */
function makeFolders(data: string, users: { daemon: User; proxy: User } | undefined) {
  const folder = join(data, 'proxy')
  const handlers = join(data, 'handlers')
  mkdirSync(data, { recursive: true, mode: 0o755 })
  mkdirSync(folder, { recursive: true, mode: 0o750 })
  mkdirSync(handlers, { recursive: true, mode: 0o750 })
  if (!users) return
  chownSync(data, users.daemon.uid, users.daemon.gid)
  chownSync(folder, users.proxy.uid, users.daemon.gid)
  chmodSync(folder, 0o2750)
  chownSync(handlers, users.daemon.uid, users.proxy.gid)
  chmodSync(handlers, 0o2750)
}

// One at a time ------------------------------------------------------------------------------------------

/** One supervisor per data folder. What a killed one left behind is waited for, then replaced. */
async function takeLock(data: string): Promise<{ release(): void }> {
  const path = join(data, 'up.pid')
  const holder = alive(path)
  if (holder) {
    throw new UserError(
      'already-up',
      `Davit is up already with ${data} (process ${holder}).`,
      'Stop it first, or choose another folder with: --data FOLDER',
    )
  }
  await untilEnded(join(data, 'daemon.pid'), 'serve')
  await untilEnded(join(data, 'proxy/proxy.pid'), 'proxy')
  rmSync(path, { force: true })
  try {
    writeFileSync(path, `${process.pid} ${startOf(process.pid)}\n`, { flag: 'wx' })
  } catch (cause) {
    throw new UserError('already-up', `Davit is just being started with ${data}.`, undefined, { cause })
  }
  return { release: () => rmSync(path, { force: true }) }
}

async function untilEnded(path: string, command: string): Promise<void> {
  const running = () => {
    const pid = alive(path)
    return pid && read(`/proc/${pid}/cmdline`).includes(`\0${command}`) ? pid : undefined
  }
  const deadline = Date.now() + graceMs
  for (let pid = running(); pid !== undefined; pid = running()) {
    if (Date.now() > deadline) {
      throw new UserError(
        'already-up',
        `Process ${pid} of an earlier Davit is still there.`,
        `End it with: kill ${pid}`,
      )
    }
    await pause(100)
  }
}

function untilTold(): Promise<string> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, resolve)
  })
}
