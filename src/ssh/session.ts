import { once } from 'node:events'

import type { Session as Asking, ServerChannel } from 'ssh2'

import { Cancelled } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Identity, Session } from '../types.ts'
import type { Flow } from './flow.ts'
import { guardWindow, sever } from './inside.ts'
import { flushed, inlet, outlet, sender } from './streams.ts'
import { hearWishes, type Wishes } from './wishes.ts'

export interface Visit {
  /** Who the connection's key is now; undefined when it was taken away. */
  readonly identify: () => Identity | undefined
  readonly run: (session: Session) => Promise<number>
  readonly flow: Flow
  readonly log: Logger
  /** Ends the connection of a client that breaks the protocol. */
  readonly expel: (reason: string) => void
}

/** A session that was asked for and may have a command running. */
export interface Attended {
  /** The connection is gone. */
  lose(): void
  /** Settles when the command has ended and the client has closed the session; at once when there is none. */
  ended(): Promise<void>
}

/** Answers one session channel (RFC 4254 6): what it asks for beforehand, then one command. */
export function attend(asking: Asking, visit: Visit): Attended {
  const wishes = hearWishes(asking)
  let running: Running | undefined
  const begin = (accept: () => ServerChannel, line: string) => {
    const by = visit.identify()
    if (!by) return visit.expel('its key was removed')
    const channel: ServerChannel | undefined = accept()
    if (channel) running = start({ asking, channel, line, by: { ...by } }, wishes, visit)
  }
  asking.on('exec', (accept, _reject, { command }) => begin(accept, command))
  asking.on('shell', accept => begin(accept, ''))
  asking.on('close', () => running?.leave())
  return {
    lose: () => running?.lose(),
    ended: async () => running?.done,
  }
}

interface Running {
  readonly done: Promise<void>
  leave(): void
  lose(): void
}

interface Asked {
  readonly asking: Asking
  readonly channel: ServerChannel
  readonly line: string
  readonly by: Identity
}

function start({ asking, channel, line, by }: Asked, wishes: Wishes, visit: Visit): Running {
  const gone = new AbortController()
  const cancelled = new AbortController()
  guardWindow(channel, () => visit.expel('it sent more than the window allows'))
  const interrupt = () => wishes.terminal && cancelled.abort(new Cancelled())
  const stdin = inlet({ asking, channel, interrupt })
  const send = sender(channel, visit.flow, gone.signal)
  const stdout = outlet(chunk => send(channel, chunk))
  const stderr = outlet(chunk => send(channel.stderr, chunk))
  let isDone = false
  const leave = () => {
    gone.abort()
    if (!isDone) cancelled.abort(new Cancelled('The connection was lost.'))
    stdin.destroy(new Cancelled('The connection was lost before the end of the input.'))
    stdout.destroy()
    stderr.destroy()
  }
  // A signal that the command does not listen to ends it.
  wishes.signals.add(name => {
    if (wishes.signals.size === 1 && interrupts.has(name)) cancelled.abort(new Cancelled())
  })
  channel.on('error', () => {})
  channel.stderr.on('error', () => {})
  const session: Session = {
    by,
    command: { line },
    stdin,
    stdout,
    stderr,
    terminal: wishes.terminal,
    env: { ...wishes.env },
    local: false,
    signal: cancelled.signal,
    onSignal: listener => wishes.signals.add(listener),
  }
  const done = conduct(session, visit).then(async code => {
    isDone = true
    await Promise.all([flushed(stdout), flushed(stderr)])
    if (gone.signal.aborted) return
    hangUp(channel, code)
    await once(gone.signal, 'abort')
  })
  return {
    done,
    leave,
    lose: () => {
      sever(channel)
      leave()
    },
  }
}

const interrupts = new Set(['INT', 'TERM', 'HUP', 'QUIT'])

async function conduct(session: Session, { run, log }: Visit): Promise<number> {
  try {
    const code = await run(session)
    return Number.isInteger(code) && code >= 0 && code <= 255 ? code : 1
  } catch (error) {
    log.error({ err: error }, 'a session ended with a bug')
    return 1
  }
}

function hangUp(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}
