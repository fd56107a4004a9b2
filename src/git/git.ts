import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'

import { Cancelled } from '../errors.ts'
import type { Env } from '../types.ts'

/** The git program, guarded: the only place that starts it. */
export interface Git {
  /** Configuration in force on every call, by its full key. */
  readonly guards: Env
  /**
   * Starts git inside `repo` as the leader of its own process group, with three pipes, and two more (3 and 4) when `talking`.
   * Aborting `signal` ends the group.
   */
  start(repo: string, words: readonly string[], options?: Start): ChildProcess
  /** What git printed. Throws GitFailed, TooMuch past `maxBytes`, Cancelled. */
  ask(repo: string, words: readonly string[], options?: Ask): Promise<Buffer>
}

export interface Start {
  readonly env?: Env
  /** On top of the guards, by full key. */
  readonly config?: Env
  /** Bytes of the largest file that may be written. Git ends with us then, too, however we end. */
  readonly fileBytes?: number
  readonly signal?: AbortSignal
  readonly talking?: true
}

export interface Ask extends Omit<Start, 'talking'> {
  readonly maxBytes?: number
}

export class GitFailed extends Error {
  readonly exit: number
  /** The end of what it said. */
  readonly said: string

  constructor(words: readonly string[], exit: number, stderr: string) {
    super(`git ${words[0]} ended with ${exit}: ${stderr.trim()}`)
    this.exit = exit
    this.said = stderr
  }
}

export class TooMuch extends Error {}

export interface GitOptions {
  /** Absolute path of the folder with pre-receive. With a relative one git would silently skip the hook. */
  readonly hooks: string
  readonly env: Env
  /** Bytes of the largest push that is taken. */
  readonly maxPushBytes: number
}

export function openGit({ hooks, env, maxPushBytes }: GitOptions): Git {
  const guards = guardsFor(hooks, maxPushBytes)
  const base = { ...withoutGit(env), ...fixed }

  const start: Git['start'] = (repo, words, options = {}) => {
    const [program, ...rest] = [
      ...bounds(options),
      'git',
      ...configWords({ ...guards, ...options.config }),
      ...words,
    ]
    const child = spawn(program!, rest, {
      cwd: repo,
      env: { ...base, ...options.env },
      detached: true,
      stdio: Array.from({ length: options.talking ? 5 : 3 }, () => 'pipe'),
    })
    // It may stop reading early, and whoever awaits ended() hears why it did not start.
    for (const emitter of [child, child.stdin]) emitter?.on('error', () => {})
    endOnAbort(child, options.signal)
    return child
  }

  const ask: Git['ask'] = async (repo, words, { maxBytes = 1 << 20, ...options } = {}) => {
    const { signal } = options
    const child = start(repo, words, options)
    child.stdin?.end()
    const [out, err, exit] = await Promise.all([
      gather(child, child.stdout!, maxBytes),
      tail(child.stderr!),
      ended(child),
    ])
    if (signal?.aborted) throw new Cancelled()
    if (!out) throw new TooMuch(`git ${words[0]} printed more than ${maxBytes} bytes`)
    if (exit !== 0) throw new GitFailed(words, exit, err)
    return out
  }

  return { guards, start, ask }
}

function configWords(config: Env): string[] {
  return Object.entries(config).flatMap(([key, value]) => ['-c', `${key}=${value}`])
}

/**
 * git itself bounds what a push brings, and not what it fetches. The signal of our end reaches one process; `timeout`, which has no time to
 * keep here, passes it on to the group: git alone would leave the program that talks to the server behind.
 */
function bounds({ fileBytes }: Start): string[] {
  if (fileBytes === undefined) return []
  const withUs = ['setpriv', '--pdeathsig', 'TERM', '--', 'timeout', '0']
  return [...withUs, 'prlimit', `--fsize=${fileBytes}`, '--core=0', '--']
}

/** git's exit code once it and all that hold its pipes are gone; 128 and the signal's number when one ended it. */
export async function ended(child: ChildProcess): Promise<number> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return code ?? 128 + (signal ? constants.signals[signal] : 0)
}

/** The end of what is said on a stream, for an error's words. */
export async function tail(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text = (text + String(chunk)).slice(-4096)
  return text
}

/** TERM to the whole group, so that git takes its quarantine away; KILL to what is left once git is gone, or 3 s later. */
export function endGroup(child: ChildProcess): void {
  if (isOver(child)) return
  signalGroup(child, 'SIGTERM')
  const last = setTimeout(() => signalGroup(child, 'SIGKILL'), 3000)
  child.once('exit', () => signalGroup(child, 'SIGKILL'))
  child.once('close', () => clearTimeout(last))
  child.stdin?.destroy()
  // Unread output would keep `close` from coming.
  for (const stream of [child.stdout, child.stderr]) stream?.unpipe().resume()
}

function endOnAbort(child: ChildProcess, signal: AbortSignal | undefined): void {
  if (!signal) return
  const end = () => endGroup(child)
  signal.addEventListener('abort', end, { once: true })
  child.once('close', () => signal.removeEventListener('abort', end))
  if (signal.aborted) end()
}

/** Its number may be another's by now. */
function isOver({ exitCode, signalCode, stdio }: ChildProcess): boolean {
  return (exitCode !== null || signalCode !== null) && stdio.every(stream => stream?.closed ?? true)
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function gather(child: ChildProcess, stream: NodeJS.ReadableStream, maxBytes: number) {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= maxBytes) chunks.push(chunk)
    else endGroup(child)
  }
  return size <= maxBytes ? Buffer.concat(chunks) : undefined
}

function withoutGit(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('GIT_')))
}

const fixed: Env = {
  // Without it git would look for a repository in the folders above a broken one.
  GIT_DIR: '.',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  // What it says is read here, too.
  LC_ALL: 'C.UTF-8',
}

function guardsFor(hooks: string, maxPushBytes: number): Env {
  return {
    'core.hooksPath': hooks,
    'core.protectHFS': 'true',
    'core.protectNTFS': 'true',
    'core.attributesFile': '/dev/null',
    'core.bigFileThreshold': '64m',
    'core.fsync': 'committed',
    'gc.auto': '0',
    'gc.autoDetach': 'false',
    'maintenance.auto': 'false',
    'pack.threads': '1',
    'pack.windowMemory': '64m',
    'protocol.allow': 'never',
    'protocol.file.allow': 'never',
    'protocol.ext.allow': 'never',
    'receive.maxInputSize': String(maxPushBytes),
    // A push out of a shallow clone, as CI makes them, is as good as any.
    'receive.shallowUpdate': 'true',
    'transfer.bundleURI': 'false',
    'transfer.fsckObjects': 'true',
    // Packs are synced to disk as one file each, loose objects one by one.
    'transfer.unpackLimit': '1',
    // Old but harmless flaws that well-known histories carry; without these their owners could not push.
    ...flaws('receive'),
    ...flaws('fetch'),
    'tar.umask': '0022',
  }
}

function flaws(section: 'receive' | 'fetch'): Env {
  const names = ['badTimezone', 'missingSpaceBeforeDate', 'zeroPaddedFilemode']
  return Object.fromEntries(names.map(name => [`${section}.fsck.${name}`, 'ignore']))
}
