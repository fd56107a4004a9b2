import { close, constants, open, writev, write as writeWhole } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

import { messageOf } from '../errors.ts'

/** Below the kernel's limit of buffers in one call (IOV_MAX). */
const mostSlices = 512

const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW

/** Bytes that are in the file, and why not all of them are. */
export interface Appended {
  readonly written: number
  readonly failure?: string
}

/**
 * Adds to the end of a file, in one piece that no other process comes between. Opened anew each time: so whoever rotates, renames or
 * removes the file has nobody to tell. `place` answers undefined where there is no such file any more; what was for it goes nowhere.
 */
export async function append(place: () => string | undefined, parts: readonly Buffer[]): Promise<Appended> {
  const all = parts.length > mostSlices ? [Buffer.concat(parts)] : parts
  for (let first = true; ; first = false) {
    // Asked again after the folder was missing: its app may have gone, or have got another name.
    const path = place()
    if (path === undefined) return { written: sizeOf(parts) }
    try {
      if (!first) await mkdir(dirname(path), { recursive: true, mode: 0o750 })
      return await appendTo(path, all)
    } catch (error) {
      if (first && (error as NodeJS.ErrnoException).code === 'ENOENT') continue
      return { written: 0, failure: messageOf(error) }
    }
  }
}

/** Rejects where the file cannot be opened. With callbacks: handles and promises for each step would cost twice as much. */
function appendTo(path: string, parts: readonly Buffer[]): Promise<Appended> {
  const size = sizeOf(parts)
  return new Promise((resolve, reject) => {
    open(path, flags, 0o640, (failure, file) => {
      if (failure) return reject(failure)
      const end = (error: Error | null, written = 0) =>
        close(file, late => {
          const wrong = error ?? late
          if (wrong) resolve({ written, failure: messageOf(wrong) })
          else resolve(written === size ? { written } : { written, failure: 'the disk is full' })
        })
      if (parts.length === 1) writeWhole(file, parts[0]!, end)
      else writev(file, parts, end)
    })
  })
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, each) => sum + each.length, 0)
}
