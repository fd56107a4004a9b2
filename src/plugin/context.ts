import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Core } from './core.ts'
import type { Member } from './driver.ts'
import type { RosterOptions } from './roster.ts'

/** What is a plugin's own; its folder is made. */
export function contextOf(
  name: string,
  { data, kv, log, signal }: RosterOptions,
  core: (plugin: string) => Core,
): Member['context'] {
  mkdirSync(join(data, name), { recursive: true, mode: 0o711 })
  const dir = join(data, name, 'data')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return { core: core(name), kv: kv(name), dir, log: log.child({ plugin: name }), signal }
}
