import { type ChildProcess, type SendHandle, spawn } from 'node:child_process'

import type { Handle } from '../listen.ts'
import { installedProgram, plainEnv, type Settings, settingsEnv } from '../settings.ts'
import { compiledEnv } from './compiled.ts'
import type { Order } from './orders.ts'
import type { Drain, ToPredecessor, ToSuccessor } from './predecessor.ts'
import type { HeldSockets } from './sockets.ts'

/** A proxy that was started to take this one's place. */
export interface Successor {
  readonly pid: number
  /** What is known is on the disk, and these are the host's ports. Resolves when all its workers take requests; rejects with why they do not. */
  serve(ports: ReadonlyMap<number, Handle>): Promise<void>
  /** The control socket is free. */
  over(): void
  /** Nothing comes of it. */
  end(): void
}

export interface SuccessorOptions {
  /** Program and words. */
  readonly command: readonly string[]
  readonly sockets: HeldSockets
  readonly settings: Settings
  /** The descriptor at whose end the supervisor is, where there is one. */
  readonly supervisor: number | undefined
  readonly drain: (request: Drain) => Promise<number>
  /** Tells our workers what it has been told. */
  readonly follow: (order: Order) => Promise<unknown>
}

/** For a program to come up on a machine that has much to do. */
const patienceMs = 60_000

/** Resolves when all its workers are awake; rejects with why they are not. */
export async function startSuccessor(options: SuccessorOptions): Promise<Successor> {
  const child = launch(options)
  const say = (words: ToSuccessor, handle?: Handle) =>
    void (child.connected && child.send(words, handle as unknown as SendHandle | undefined, () => undefined))
  const states = follow(child)
  child.on('message', (words: ToPredecessor) => {
    if ('drain' in words) {
      void options.drain(words.drain).then(drained => say({ drained, id: words.id }))
    }
    if ('follow' in words) void options.follow(words.follow).then(() => say({ followed: words.id }))
  })
  const successor: Successor = {
    pid: child.pid ?? 0,
    async serve(ports) {
      for (const [port, handle] of ports) say({ port }, handle)
      say({ told: 'begin', follows: true })
      await states('serving')
    },
    over: () => say({ told: 'over' }),
    end: () => void child.kill('SIGKILL'),
  }
  await states('awake').catch(error => {
    successor.end()
    throw error
  })
  return successor
}

/** Settles when it says so, or with why it never will. */
function follow(child: ChildProcess) {
  const said = new Set<string>()
  let failed: string | undefined
  let look = () => undefined as void
  const fail = (why: string) => {
    failed ??= why
    look()
  }
  child.once('error', error => fail(`it cannot be started: ${error.message}`))
  child.once('exit', (code, signal) =>
    fail(`it ended ${signal ? `by ${signal}` : `with exit code ${code}`} before it served`),
  )
  child.on('message', (words: ToPredecessor) => {
    if ('failed' in words) fail(words.failed)
    if ('state' in words) said.add(words.state)
    look()
  })
  return (state: 'awake' | 'serving') =>
    new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => fail(`it did not serve within ${patienceMs / 1000} s`), patienceMs)
      look = () => {
        if (failed === undefined && !said.has(state)) return
        clearTimeout(late)
        look = () => undefined
        if (said.has(state)) resolve()
        else reject(new Error(failed))
      }
      look()
    })
}

/** On the same listening sockets, as the same user, and with the same end as ours where a supervisor waits for it. */
function launch({ command, sockets, settings, supervisor }: SuccessorOptions): ChildProcess {
  const named = [
    ['http', sockets.http.fd],
    ...(sockets.https ? [['https', sockets.https.fd]] : []),
    ...(supervisor === undefined ? [] : [['supervisor', supervisor]]),
  ] as const as readonly (readonly [string, number])[]
  return spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', ...named.map(([, fd]) => fd), 'ipc'],
    env: {
      ...plainEnv(),
      ...settingsEnv(settings),
      ...compiledEnv(installedProgram()),
      LISTEN_FDS: String(named.length),
      LISTEN_FDNAMES: named.map(([name]) => name).join(':'),
      DAVIT_SUCCEEDS: '1',
      ...(settings.notify === undefined ? {} : { NOTIFY_SOCKET: settings.notify }),
    },
  })
}
