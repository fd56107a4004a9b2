import { readFile } from 'node:fs/promises'
import type { Duplex, Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

import { UserError } from '../errors.ts'
import { type Api, answered, dropped, path } from './api.ts'
import type { Attachment, AttachStreams, Labels } from './engine.ts'
import { demultiplexer } from './frames.ts'
import { follow, type Terminals } from './terminals.ts'

/** A person's Ctrl-P would wait for the next key if it could begin the engine's usual detach keys. */
const detachKeys = 'ctrl-@,ctrl-^,ctrl-@,ctrl-_'

/**
 * Input and output go over connections of their own: a program that ends without reading its input
 * breaks the one, and what it wrote last is still in the other.
 */
export async function attach(
  api: Api,
  name: string,
  streams: AttachStreams & { terminals: Terminals },
): Promise<Attachment> {
  const { signal } = streams
  const { Config } = await api.ask<{ Config: { Tty: boolean; OpenStdin: boolean } }>(
    'GET',
    path`/containers/${name}/json`,
    { signal },
  )
  const open = (query: object) =>
    api.hijack(path`/containers/${name}/attach`, { query: { stream: true, ...query }, signal })
  const input = Config.OpenStdin ? await open({ stdin: true, detachKeys }) : undefined
  const output = await open({ stdout: true, stderr: true }).catch(error => {
    input?.destroy()
    throw error
  })
  const detach = streams.terminal && Config.Tty ? size(api, name, streams, streams.terminal) : undefined
  const feeding = input && feed(input, streams.stdin)
  const done = carry(output, streams, { tty: Config.Tty }).finally(() => {
    detach?.()
    feeding?.end()
  })
  return { done: done.then(() => undefined) }
}

function size(
  api: Api,
  name: string,
  { terminals }: { terminals: Terminals },
  terminal: NonNullable<AttachStreams['terminal']>,
): () => void {
  const detach = terminals.attached(name, terminal, ({ cols, rows }) =>
    api.ask('POST', path`/containers/${name}/resize`, { query: { w: cols, h: rows } }),
  )
  void terminals.started(name)
  return detach
}

/** UserError `not-running`. When `signal` aborts, the command is hung up on. */
export async function exec(
  api: Api,
  name: string,
  command: readonly string[],
  { env = {}, ...streams }: AttachStreams & { env?: Labels },
): Promise<Attachment> {
  const { signal, terminal } = streams
  const tty = terminal !== undefined
  const id = await prepare(api, name, { command, env, tty, stdin: streams.stdin !== undefined })
  const socket = await api
    .hijack(path`/exec/${id}/start`, { body: { Detach: false, Tty: tty }, signal })
    .catch((error: unknown) => {
      throw ended(error) ? notRunning(name, error) : error
    })
  const sized =
    terminal &&
    follow(terminal, ({ cols, rows }) =>
      api.ask('POST', path`/exec/${id}/resize`, { query: { w: cols, h: rows } }),
    )
  void sized?.apply()
  const feeding = feed(socket, streams.stdin)
  const finish = async () => {
    try {
      await carry(socket, streams, { tty })
    } finally {
      sized?.end()
      feeding.end()
    }
    if (!signal.aborted) return exitCode(api, id, signal)
    await hangUp(api, name, id)
    return undefined
  }
  return { done: finish().catch(goneIsFine) }
}

// A container that is removed takes its commands with it, exit codes too.
function goneIsFine(error: unknown): undefined {
  if (answered(error, 404) || (error instanceof UserError && error.code === 'not-running')) return undefined
  throw error
}

async function prepare(
  api: Api,
  name: string,
  { command, env, tty, stdin }: { command: readonly string[]; env: Labels; tty: boolean; stdin: boolean },
): Promise<string> {
  const body = {
    AttachStdin: stdin,
    AttachStdout: true,
    AttachStderr: true,
    Tty: tty,
    Cmd: command,
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
  }
  try {
    return (await api.ask<{ Id: string }>('POST', path`/containers/${name}/exec`, { body })).Id
  } catch (error) {
    if (!answered(error, 409)) throw error
    throw notRunning(name, error)
  }
}

/** It did while the command was prepared. */
function ended(error: unknown): boolean {
  return answered(error, 409, 500) && /is not running/.test(error.message)
}

function notRunning(name: string, cause: unknown): UserError {
  return new UserError('not-running', `${name} is not running.`, undefined, { cause })
}

interface RawExec {
  readonly Running: boolean
  readonly ExitCode: number | null
  readonly Pid: number
}

// The engine closes the connection a moment before it has the exit code.
async function exitCode(api: Api, id: string, signal: AbortSignal): Promise<number | undefined> {
  for (let pause = 5; !signal.aborted; pause = Math.min(pause * 2, 500)) {
    const { Running, ExitCode } = await api.ask<RawExec>('GET', path`/exec/${id}/json`)
    if (!Running && ExitCode !== null) return ExitCode
    await delay(pause, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}

// The engine lets a command run on whose connection is gone, and has no call to end it. The kernel tells its number
// inside the container; where that is not to be read (an engine elsewhere), the command keeps running.
async function hangUp(api: Api, name: string, id: string): Promise<void> {
  const pid = await runningPid(api, id)
  const status = pid ? await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '') : ''
  const inside = /^NSpid:.*\s(\d+)$/m.exec(status)?.[1]
  if (!inside) return
  const command = ['/bin/sh', '-c', 'kill -HUP "-$PID" "$PID"']
  const kill = await prepare(api, name, { command, env: { PID: inside }, tty: false, stdin: false })
  await api.ask('POST', path`/exec/${kill}/start`, { body: { Detach: true, Tty: false } })
}

// A command may speak before the engine has noted its number.
async function runningPid(api: Api, id: string): Promise<number | undefined> {
  for (let pause = 5; pause < 3_000; pause *= 2) {
    const { Running, Pid } = await api.ask<RawExec>('GET', path`/exec/${id}/json`)
    if (!Running) return undefined
    if (Pid > 0) return Pid
    await delay(pause)
  }
  return undefined
}

/** Input until its end, which the other side sees as end of file. */
function feed(socket: Duplex, stdin: Readable | undefined): { end: () => void } {
  const finish = () => socket.end()
  socket.on('error', () => stdin?.unpipe(socket))
  stdin?.on('close', finish).on('error', finish).pipe(socket)
  if (!stdin || stdin.readableEnded || stdin.destroyed) finish()
  return {
    end() {
      stdin?.off('close', finish).off('error', finish).unpipe(socket)
      socket.destroy()
    },
  }
}

/** Output until its end, as fast as it is taken. Ends early when nobody listens any more or `signal` aborts. */
async function carry(
  socket: Duplex,
  { stdout, stderr, signal }: AttachStreams,
  { tty }: { tty: boolean },
): Promise<void> {
  const stop = () => socket.destroy()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  const pieces = demultiplexer()
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (tty) await put(chunk, stdout, signal)
      else
        for (const { stream, bytes } of pieces(chunk))
          await put(bytes, stream === 'stderr' ? stderr : stdout, signal)
    }
  } catch (error) {
    // A broken connection is an end too: whoever asks for the exit code next learns why.
    if (!signal.aborted && !dropped(error)) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

// What is written for someone who left is dropped, so that the program can come to its end.
async function put(bytes: Buffer, out: Writable, signal: AbortSignal): Promise<void> {
  if (!out.writable || signal.aborted || out.write(bytes)) return
  await new Promise<void>(resolve => {
    const go = () => {
      for (const event of ['drain', 'close', 'error']) out.off(event, go)
      signal.removeEventListener('abort', go)
      resolve()
    }
    for (const event of ['drain', 'close', 'error']) out.on(event, go)
    signal.addEventListener('abort', go)
  })
}
