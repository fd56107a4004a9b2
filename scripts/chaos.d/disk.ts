import { open, rm, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { run } from '../../test/e2e/sandbox.ts'

/** A small filesystem of one's own, mounted from a file. Needs root. */
export interface Disk {
  readonly mounted: string
  /** Until `empty`, so many bytes are left: not one unless told. */
  fill(options?: { leave?: number }): Promise<void>
  empty(): Promise<void>
  close(): Promise<void>
}

export const megabyte = 2 ** 20

export async function openDisk(file: string, mounted: string, bytes: number): Promise<Disk> {
  await writeFile(file, '')
  await truncate(file, bytes)
  await must('mkfs.ext4', ['-q', '-F', '-m', '0', file])
  await must('mount', ['-o', 'loop', file, mounted])
  const ballast = join(mounted, 'ballast')
  return {
    mounted,
    async fill({ leave = 0 } = {}) {
      const { bavail, bsize } = await statfs(mounted)
      const size = bavail * bsize - leave
      if (size > 0) await run('fallocate', ['--length', String(size), ballast])
      if (leave === 0) await toTheLast(ballast)
    },
    empty: () => rm(ballast, { force: true }),
    async close() {
      await run('umount', ['--lazy', mounted])
      await rm(file, { force: true })
    },
  }
}

/** The ballast's own bookkeeping takes room too, and somebody else may have been quicker. */
async function toTheLast(ballast: string): Promise<void> {
  const handle = await open(ballast, 'a')
  try {
    for (;;) await handle.writeFile(Buffer.alloc(4096))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await handle.close()
  }
}

async function must(program: string, words: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, words)
  if (code !== 0) throw new Error(`${program} failed: ${stderr.trim()}`)
}
