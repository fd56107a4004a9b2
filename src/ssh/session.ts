import { Readable, Writable } from 'node:stream'

import type { Session as Asking, ServerChannel } from 'ssh2'

import { Cancelled } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Env, Identity, Session, Terminal } from '../types.ts'
import type { Flow } from './flow.ts'
import { forgetWritten, guardWindow, sever } from './inside.ts'

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
  /** Settles when the command has ended; at once when there is none. */
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

// Before the command -------------------------------------------------------------------------------------

interface Wishes {
  readonly env: Env
  readonly terminal: Terminal | undefined
  readonly signals: Set<(name: string) => void>
}

function hearWishes(asking: Asking): Wishes {
  const env: Record<string, string> = Object.create(null)
  const signals: Wishes['signals'] = new Set()
  const resized = new Set<(size: Size) => void>()
  const wishes: { -readonly [K in keyof Wishes]: Wishes[K] } = { env, terminal: undefined, signals }
  asking.on('env', (accept, reject, { key, val }) => {
    if (!isHarmless(key, val)) return reject?.()
    env[key] = val
    accept?.()
  })
  asking.on('pty', (accept, _reject, info) => {
    const term = /^[\w.+-]{1,64}$/.test(info.term) ? info.term : 'xterm'
    wishes.terminal = { term, ...sizeOf(info), onResize: listener => resized.add(listener) }
    accept?.()
  })
  asking.on('window-change', (accept, _reject, info) => {
    for (const listener of resized) listener(sizeOf(info))
    accept?.()
  })
  asking.on('signal', (accept, _reject, { name }) => {
    for (const listener of signals) listener(name)
    accept?.()
  })
  return wishes
}

interface Size {
  readonly cols: number
  readonly rows: number
}

function sizeOf({ cols, rows }: Size): Size {
  return { cols: Math.min(cols, 65535) || 80, rows: Math.min(rows, 65535) || 24 }
}

// Anything more would reach programs that we start (CVE-2024-39930).
function isHarmless(name: string, value: string): boolean {
  if (name === 'GIT_PROTOCOL') return /^version=[0-2]$/.test(value)
  return /^(LANG|LC_[A-Z]{1,20}|TERM)$/.test(name) && /^[\w.@+:-]{0,64}$/.test(value)
}

// The command --------------------------------------------------------------------------------------------

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
  const stdin = inlet({ asking, channel }, visit, {
    interrupt: () => wishes.terminal && cancelled.abort(new Cancelled()),
  })
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
    if (!gone.signal.aborted) hangUp(channel, code)
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
    return Number.isInteger(code) ? code & 0xff : 1
  } catch (error) {
    log.error({ err: error }, 'a session ended with a bug')
    return 1
  }
}

function hangUp(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}

// A stream of its own: who destroys it does not take the channel, and with it the exit status, along.
function inlet(
  { asking, channel }: Pick<Asked, 'asking' | 'channel'>,
  { expel }: Visit,
  { interrupt }: { interrupt: () => void },
): Readable {
  let isWhole = false
  asking.on('eof', () => {
    isWhole = true
  })
  const stdin = new Readable({ read: () => void channel.resume() })
  stdin.on('error', () => {})
  guardWindow(channel, () => expel('it sent more than the window allows'))
  channel.on('data', (chunk: Buffer) => {
    if (isUnread(stdin) && chunk.includes(interruptByte)) interrupt()
    if (stdin.destroyed || !stdin.push(chunk)) channel.pause()
  })
  channel.on('end', () => {
    if (isWhole) stdin.push(null)
  })
  return stdin
}

const interruptByte = 3

// With a terminal Ctrl-C is a byte. A command that reads input decides itself what it means.
function isUnread(stdin: Readable): boolean {
  return stdin.listenerCount('data') + stdin.listenerCount('readable') === 0
}

function outlet(send: (chunk: Buffer) => Promise<void>): Writable {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      send(chunk).then(() => done(), done)
    },
  })
  stream.on('error', () => {})
  return stream
}

const sliceBytes = 256 * 1024

/** One write at a time on both streams: ssh2 loses or doubles data when both wait for the window. */
function sender(channel: ServerChannel, flow: Flow, gone: AbortSignal) {
  let turn = Promise.resolve()
  const deliver = async (to: Writable, chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      await flow.room()
      if (gone.aborted) return
      await written(to, chunk.subarray(at, at + sliceBytes), gone)
      forgetWritten(channel)
    }
  }
  return (to: Writable, chunk: Buffer): Promise<void> => {
    turn = turn.then(() => deliver(to, chunk))
    return turn
  }
}

// A channel that is gone never calls back.
function written(to: Writable, chunk: Buffer, gone: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      gone.removeEventListener('abort', done)
      resolve()
    }
    gone.addEventListener('abort', done)
    to.write(chunk, done)
  })
}

function flushed(stream: Writable): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return Promise.resolve()
  return new Promise(resolve => {
    stream.once('close', resolve)
    stream.end()
  })
}
