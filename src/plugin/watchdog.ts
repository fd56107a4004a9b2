import { writeFileSync, writeSync } from 'node:fs'
import { Session } from 'node:inspector'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { lineIn, nameIn, onLoop, ownerIn, type Places } from './blame.ts'

/** What ended a daemon, for the next one. */
export interface Fault {
  /** Undefined: no plugin's code was found there. */
  readonly plugin: string | undefined
  readonly reason: string
  /** Where the code was, innermost first. */
  readonly stack: readonly string[]
}

export interface Watchdog {
  /** Where plugins lie by now. */
  follow(places: Places): void
  close(): void
}

interface Watched {
  readonly file: string
  readonly blockedMs: number
  readonly beats: Int32Array
  readonly onLoop: Uint8Array
}

/** Between two looks. A process that was stopped as a whole has not been blocked: only what the thread itself saw counts. */
const lookMs = 500
/** How long the main thread has to show where it is. Within a call of the system it shows nothing. */
const showMs = 2_000

/** A thread that ends this process when its loop is blocked for so long; whose code that was is in the file then. */
export function startWatchdog(file: string, { blockedMs = 10_000 } = {}): Watchdog {
  const beats = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { file, blockedMs, beats, onLoop } satisfies Watched,
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  })
  worker.unref()
  const beat = setInterval(() => Atomics.add(beats, 0, 1), lookMs)
  beat.unref()
  return {
    follow: places => worker.postMessage(places.map(({ name, folder }) => ({ name, folder }))),
    close() {
      clearInterval(beat)
      void worker.terminate()
    },
  }
}

if (!isMainThread && parentPort && isWatched(workerData)) watch(workerData)

function isWatched(given: unknown): given is Watched {
  return typeof given === 'object' && given !== null && 'beats' in given && 'blockedMs' in given
}

function watch({ file, blockedMs, beats, onLoop }: Watched): void {
  let places: Places = []
  let last = -1
  let stillMs = 0
  parentPort!.on('message', given => {
    places = given as Places
  })
  const looking = setInterval(() => {
    const now = Atomics.load(beats, 0)
    stillMs = now === last ? stillMs + lookMs : 0
    last = now
    if (stillMs < blockedMs) return
    clearInterval(looking)
    const end = (stack: readonly string[]) => {
      const plugin = ownerIn(stack.join('\n'), places) ?? nameIn(onLoop)
      const folder = places.find(each => each.name === plugin)?.folder
      const line = folder === undefined ? undefined : lineIn(stack.join('\n'), folder)
      const reason = `it held up everything for ${blockedMs / 1000} s${line === undefined ? '' : ` (${line})`}`
      endWith({ plugin, reason, stack }, file)
    }
    setTimeout(() => end([]), showMs)
    showMain(end)
  }, lookMs)
}

/** Where the main thread is, through the inspector, which can interrupt code that does not end. */
function showMain(shown: (stack: readonly string[]) => void): void {
  const session = new Session()
  session.connectToMainThread()
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url))
  session.on('Debugger.paused', ({ params }) =>
    shown(
      params.callFrames.map(
        ({ functionName, location: { scriptId, lineNumber } }) =>
          `${functionName || '(anonymous)'} (${urls.get(scriptId) ?? ''}:${lineNumber + 1})`,
      ),
    ),
  )
  session.post('Debugger.enable')
  session.post('Debugger.pause')
}

/** The main thread cannot be asked any more: the next daemon tells what happened. */
function endWith(fault: Fault, file: string): never {
  writeFileSync(file, JSON.stringify(fault), { mode: 0o600 })
  const line = {
    level: 60,
    time: Date.now(),
    pid: process.pid,
    ...fault,
    msg: 'the daemon was held up, and is ended',
  }
  writeSync(2, `${JSON.stringify(line)}\n`)
  process.kill(process.pid, 'SIGKILL')
  throw new Error('This process has been ended.')
}
