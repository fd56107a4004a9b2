import { statfs } from 'node:fs/promises'

import type { Rooms } from '../core/rooms.ts'

/** Below this share of a disk it is told; above twice as much it is forgotten. */
const low = 0.1

interface Free {
  readonly bytes: number
  readonly share: number
}

/** Told once each time that a disk gets full. */
export function createDiskWatch(
  { settings, events }: Pick<Rooms, 'settings' | 'events'>,
  freeOf: (folder: string) => Promise<Free> = measured,
): () => Promise<void> {
  let told = false
  return async () => {
    const { bytes, share } = await freeOf(settings.data)
    if (share > 2 * low) told = false
    if (share > low || told) return
    told = true
    events.tell({
      kind: 'disk-low',
      level: 'warning',
      text: `The disk that holds ${settings.data} has ${Math.round(share * 100)} % left: ${(bytes / 1e9).toFixed(1)} GB.`,
      data: { folder: settings.data, free: bytes },
    })
  }
}

async function measured(folder: string): Promise<Free> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { bytes: bavail * bsize, share: blocks === 0 ? 1 : bavail / blocks }
}
