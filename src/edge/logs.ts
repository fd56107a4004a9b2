import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export type LogKind = 'access' | 'error'

/** Where a log lies below the folder of logs. What was rotated out of it lies beside it, with `.1` at the end. */
export function logFile(app: string | undefined, kind: LogKind): string {
  // The host's own. An app's name begins with a letter or a digit.
  return join(app ?? '_host', `${kind}.log`)
}

export interface Reading {
  /** How many lines to begin with. */
  readonly tail: number
  /** Goes on as lines come, through rotations and renamings, until the signal, or until there is no place any more. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

const blockBytes = 64 * 1024
const longestLine = 1024 * 1024
const lookMs = 200

/** Lines of a log, read as the reader takes them. `place` is asked again and again: the path, or undefined when it is no more. */
export async function* readLog(
  place: () => string | undefined,
  { tail, follow, signal }: Reading,
): AsyncIterable<string> {
  const path = place()
  let files = path === undefined ? [] : await openBoth(path)
  try {
    await toLast(files, tail)
    for (const file of files) yield* linesOf(file, signal)
    while (follow && !signal.aborted) {
      await pause(lookMs, undefined, { signal }).catch(() => undefined)
      const path = place()
      if (path === undefined) return
      const last = files.at(-1)
      const inode = await inodeOf(path)
      if (last !== undefined) yield* linesOf(last, signal)
      if (last !== undefined && last.inode === inode) continue
      // It was rotated, and has been read to its end.
      const next = await after(last, path)
      if (next.length === 0) continue
      await closeAll(files)
      files = next
      for (const file of files) yield* linesOf(file, signal)
    }
  } finally {
    await closeAll(files)
  }
}

interface OpenLog {
  readonly handle: FileHandle
  readonly inode: bigint
  at: number
  /** The beginning of a line whose end is not there yet. */
  rest: Buffer
}

/** The rotated file and the present one, as far as they are there. */
async function openBoth(path: string): Promise<OpenLog[]> {
  const [present, rotated] = [await openLog(path), await openLog(`${path}.1`)]
  if (rotated === undefined || rotated.inode !== present?.inode)
    return [rotated, present].filter(each => each !== undefined)
  await rotated.handle.close()
  return [present]
}

async function after(last: OpenLog | undefined, path: string): Promise<OpenLog[]> {
  const both = await openBoth(path)
  const read = both.findIndex(each => each.inode === last?.inode)
  await closeAll(both.slice(0, read + 1))
  return both.slice(read + 1)
}

async function openLog(path: string): Promise<OpenLog | undefined> {
  // Whoever writes them has fewer rights than we: no link leads us elsewhere, and no pipe holds us up.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    unlessMissing,
  )
  if (!handle) return undefined
  const found = await handle.stat({ bigint: true })
  if (found.isFile()) return { handle, inode: found.ino, at: 0, rest: Buffer.alloc(0) }
  await handle.close()
  return undefined
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await stat(path, { bigint: true }).catch(unlessMissing))?.ino
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}

async function closeAll(files: readonly OpenLog[]): Promise<void> {
  for (const { handle } of files) await handle.close()
}

/** Leaves of all files together the last lines to be read. */
async function toLast(files: readonly OpenLog[], lines: number): Promise<void> {
  let left = lines
  for (const file of files.toReversed()) left -= await toLastOf(file, left)
}

/** Answers how many there are, at most as many as asked. */
async function toLastOf(file: OpenLog, lines: number): Promise<number> {
  const { size } = await file.handle.stat()
  file.at = size
  if (lines <= 0 || size === 0) return 0
  const block = Buffer.allocUnsafe(blockBytes)
  let found = 0
  for (let end = size - 1; end > 0; ) {
    const begin = Math.max(0, end - blockBytes)
    const { bytesRead } = await file.handle.read(block, 0, end - begin, begin)
    const read = block.subarray(0, bytesRead)
    for (let at = read.lastIndexOf(10); at !== -1; at = at === 0 ? -1 : read.lastIndexOf(10, at - 1)) {
      if (++found < lines) continue
      file.at = begin + at + 1
      return lines
    }
    end = begin
  }
  file.at = 0
  return found + 1
}

/** From where we are to the end there is now. */
async function* linesOf(file: OpenLog, signal: AbortSignal): AsyncIterable<string> {
  const block = Buffer.allocUnsafe(blockBytes)
  while (!signal.aborted) {
    const { bytesRead } = await file.handle.read(block, 0, blockBytes, file.at)
    if (bytesRead === 0) return
    file.at += bytesRead
    const all = Buffer.concat([file.rest, block.subarray(0, bytesRead)])
    let from = 0
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, from)) {
      const line = textOf(all.subarray(from, end))
      from = end + 1
      if (line !== '') yield line
    }
    file.rest = all.length - from > longestLine ? Buffer.alloc(0) : Buffer.from(all.subarray(from))
  }
}

/** Lines are written in ASCII; a power cut may leave zeroes. */
function textOf(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '')
}
