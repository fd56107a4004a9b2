import { open, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { run } from '../../test/e2e/sandbox.ts'

/** A small filesystem of one's own, mounted from a file. Needs root. */
export interface Disk {
  readonly mounted: string
  /** Not a byte is left until `empty`. */
  fill(): Promise<void>
  empty(): Promise<void>
  close(): Promise<void>
}

const bytes = 96 * 2 ** 20

export async function openDisk(file: string, mounted: string): Promise<Disk> {
  await writeFile(file, '')
  await truncate(file, bytes)
  await must('mkfs.ext4', ['-q', '-F', '-m', '0', file])
  await must('mount', ['-o', 'loop', file, mounted])
  const ballast = join(mounted, 'ballast')
  return {
    mounted,
    async fill() {
      const handle = await open(ballast, 'w')
      try {
        for (const size of [2 ** 20, 4096]) await handle.writeFile(zeros(size)).catch(unlessFull)
      } finally {
        await handle.close()
      }
    },
    empty: () => rm(ballast, { force: true }),
    async close() {
      await run('umount', ['--lazy', mounted])
      await rm(file, { force: true })
    },
  }
}

function* zeros(size: number) {
  for (let written = 0; written < bytes; written += size) yield Buffer.alloc(size)
}

async function must(program: string, words: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, words)
  if (code !== 0) throw new Error(`${program} failed: ${stderr.trim()}`)
}

function unlessFull(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
}
