import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Settings } from '../settings.ts'

/** Where a change can be cut off, in the order of a push, then of other changes. A test walks them with SIGKILL. */
export const crashPoints = [
  'deploy:begun',
  'deploy:built',
  'release:recorded',
  'release:tagged',
  'rollout:prepared',
  'container:recorded',
  'container:created',
  'container:started',
  'container:ready',
  'pointing:recorded',
  'pointing:pointed',
  'live',
  'retire:drained',
  'retire:stopped',
  'retire:removed',
  'undo:pointed',
  'undo:containers',
  'undo:images',
  'stop:pointed',
  'stop:recorded',
  'rename:recorded',
  'rename:moved',
  'rename:tagged',
  'rename:pointed',
  'rename:told',
  'rename:done',
  'clone:recorded',
  'clone:copied',
  'destroy:retired',
  'destroy:containers',
  'destroy:images',
  'destroy:repository',
  'plugin:copied',
  'plugin:placed',
  'plugin:admitted',
  'plugin:recorded',
  'plugin:purged',
  'plugin:purging',
  'plugin:removed',
  'service:recorded',
  'service:started',
  'service:ready',
  'service:changing',
  'service:changed',
  'service:linked',
  'service:left',
  'service:stopping',
  'service:retired',
  'service:removed',
] as const

export type CrashPoint = (typeof crashPoints)[number]

/** Ends the process with SIGKILL, once each, at the points that the settings of a sandbox name. Everywhere else it does nothing. */
export function crashAt(point: CrashPoint, { crash, data }: Settings): void {
  if (!crash?.split(',').includes(point)) return
  const done = crashedAt(point, data)
  if (existsSync(done)) return
  writeFileSync(done, '')
  process.kill(process.pid, 'SIGKILL')
}

/** The file that tells that it was done. */
export function crashedAt(point: CrashPoint, data: string): string {
  return join(data, `crashed-at-${point.replace(':', '-')}`)
}
