import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'

import { watchFamily } from './family.ts'
import { asUser, limited, type ProgramUser } from './fence.ts'

/** How a plugin's program is run. */
export interface Runner {
  /** Another user with fewer rights; undefined: as the daemon itself. */
  readonly user: ProgramUser | undefined
  /** Words that keep all it starts together, see `findFence`; where they are not to be had its process group has to do. */
  readonly fence?: readonly string[] | undefined
  /** Of the environment, what leads to programs and words: PATH, LANG, TZ. */
  readonly env: Readonly<Record<string, string>>
}

export interface Run {
  readonly file: string
  readonly args?: readonly string[]
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** What it gets on stdin. It may stop reading early. */
  readonly input: AsyncIterable<Buffer | string>
  /** Aborting ends its whole process group. */
  readonly signal: AbortSignal
  /** Given what it prints, in pieces; what it answers is waited for before more is read. Throwing ends the program. */
  readonly print: (piece: Buffer) => Promise<void> | void
}

export interface Ended {
  /** 128 and the signal's number when one ended it. */
  readonly exit: number
  /** The end of what it said on stderr. */
  readonly said: string
}

const saidBytes = 4096
/** Between asking a group to end and ending it. */
const graceMs = 2_000
/** How long output may still come, from what a program left running, when it has ended itself. */
const lingerMs = 1_000

/**
 * Runs a program as the leader of a process group, behind the fence where there is one; when it has ended nothing of it is left. Throws what
 * `print` throws, what it used too much of, and when it cannot be started.
 */
export async function runProgram(run: Run, runner: Runner): Promise<Ended> {
  const child = start(run, runner)
  const end = () => endGroup(child)
  let tooMuch: string | undefined
  const family = watchFamily(child.pid ?? 0, reason => {
    tooMuch = reason
    family.end()
    signalGroup(child, 'SIGKILL')
  })
  run.signal.addEventListener('abort', end, { once: true })
  if (run.signal.aborted) end()
  try {
    const [exit, said] = await Promise.all([
      ended(child),
      tail(child.stderr!),
      feed(child, run.input),
      print(child, run.print),
    ])
    if (tooMuch !== undefined) throw new Error(tooMuch)
    return { exit, said }
  } finally {
    run.signal.removeEventListener('abort', end)
    family.leave()
    signalGroup(child, 'SIGKILL')
    family.end()
  }
}

function start(
  { file, args = [], folder, env }: Run,
  { user, fence = [], env: plain }: Runner,
): ChildProcess {
  const [first, ...words] = [...limited(user), ...asUser(user), ...fence, file, ...args]
  return spawn(first!, words, {
    cwd: folder,
    env: { ...plain, HOME: folder, ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Until all is written, or it takes no more. */
async function feed({ stdin }: ChildProcess, input: Run['input']): Promise<void> {
  const gone = new Promise<void>(resolve => stdin!.on('error', () => resolve()).on('close', resolve))
  const writing = async () => {
    for await (const piece of input) {
      if (!stdin!.writable) return
      if (!stdin!.write(piece)) await new Promise(resolve => stdin!.once('drain', resolve))
    }
    stdin!.end()
  }
  await Promise.race([gone, writing()])
}

async function print(child: ChildProcess, hear: Run['print']): Promise<void> {
  try {
    for await (const piece of child.stdout as AsyncIterable<Buffer>) await hear(piece)
  } catch (error) {
    if (isCutOff(error)) return
    endGroup(child)
    throw error
  }
}

/** What it left running in its group keeps its pipes open: it is given a moment, then ended. */
function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => {
      child.stdin!.destroy()
      const last = setTimeout(() => {
        signalGroup(child, 'SIGKILL')
        for (const stream of [child.stdout, child.stderr]) stream!.destroy()
      }, lingerMs)
      child.once('close', () => clearTimeout(last))
    })
    child.once('close', (code, signal) =>
      resolve(code ?? 128 + (signal ? constants.signals[signal as NodeJS.Signals] : 0)),
    )
  })
}

async function tail(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  try {
    for await (const chunk of stream) text = (text + String(chunk)).slice(-saidBytes)
  } catch (error) {
    if (!isCutOff(error)) throw error
  }
  return text.trim()
}

/** It was closed here, since whoever held it open was not waited for any longer. */
function isCutOff(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
}

function endGroup(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  signalGroup(child, 'SIGTERM')
  const last = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs)
  child.once('close', () => clearTimeout(last))
  // Unread output would keep `close` from coming.
  child.stdout!.resume()
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
