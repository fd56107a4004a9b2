import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What has been opened, to be closed in the opposite order. */
export interface Ground {
  /** A folder of its own, gone at the end. */
  readonly dir: string
  /** As tap's. */
  teardown(close: () => unknown): void
  close(): Promise<void>
}

export async function openGround(): Promise<Ground> {
  const dir = await mkdtemp(join(tmpdir(), 'davit-attack-'))
  const closing: (() => unknown)[] = [() => rm(dir, { recursive: true, force: true })]
  return {
    dir,
    teardown: close => void closing.push(close),
    async close() {
      for (const close of closing.splice(0).reverse()) await close()
    },
  }
}
