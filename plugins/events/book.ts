import { appendFileSync, readFileSync, renameSync, statSync, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import type { DavitEvent } from 'davit/plugin'

/** Bytes of a file, after which another one is begun. Two are kept. */
const longest = 5_000_000

/** JSON lines, oldest first, in two files of bounded length. */
const fileIn = (dir: string) => join(dir, 'events.log')
const olderIn = (dir: string) => join(dir, 'events.log.1')

export function append(dir: string, event: DavitEvent): void {
  const file = fileIn(dir)
  if (sizeOf(file) > longest) renameSync(file, olderIn(dir))
  appendFileSync(file, `${JSON.stringify(event)}\n`, { mode: 0o600 })
}

/** The newest of those that are wanted, and where the file ended. */
export function last(
  dir: string,
  { lines, wanted }: { lines: number; wanted: (event: DavitEvent) => boolean },
): { readonly events: readonly DavitEvent[]; readonly end: number } {
  const now = read(fileIn(dir))
  const events = eventsIn(now).filter(wanted)
  const older = events.length < lines ? eventsIn(read(olderIn(dir))).filter(wanted) : []
  return { events: lines === 0 ? [] : [...older, ...events].slice(-lines), end: now.length }
}

/** What is written down from there on, until the signal. */
export async function* follow(
  dir: string,
  { from, signal }: { from: number; signal: AbortSignal },
): AsyncGenerator<DavitEvent> {
  let at = from
  let rest = Buffer.alloc(0)
  let file = numberOf(fileIn(dir))
  for await (const _ of changes(dir, signal)) {
    const now = numberOf(fileIn(dir))
    if (now !== file) {
      // Another file was begun.
      if (file === numberOf(olderIn(dir))) yield* eventsIn(read(olderIn(dir)).subarray(at - rest.length))
      file = now
      at = 0
      rest = Buffer.alloc(0)
    }
    const size = sizeOf(fileIn(dir))
    if (size === at) continue
    const more = Buffer.concat([rest, await part(fileIn(dir), at, size)])
    const end = more.lastIndexOf(0x0a) + 1
    at = size
    rest = more.subarray(end)
    yield* eventsIn(more.subarray(0, end))
  }
}

/** Once now, and whenever something has changed since. */
async function* changes(dir: string, signal: AbortSignal): AsyncGenerator<void> {
  let changed = Promise.withResolvers<void>()
  const watcher = watch(dir, { signal }, () => changed.resolve())
  watcher.on('error', () => changed.resolve())
  watcher.on('close', () => changed.resolve())
  while (!signal.aborted) {
    yield
    await changed.promise
    changed = Promise.withResolvers()
  }
}

async function part(file: string, from: number, to: number): Promise<Buffer> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(to - from), 0, to - from, from)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

function eventsIn(content: Buffer): DavitEvent[] {
  return content.toString('utf8').split('\n').flatMap(eventIn)
}

/** A line that a full disk or a power cut broke off tells nothing. */
function eventIn(line: string): DavitEvent[] {
  if (line === '') return []
  try {
    return [JSON.parse(line) as DavitEvent]
  } catch {
    return []
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Of the file itself, whatever it is called. */
function numberOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}
