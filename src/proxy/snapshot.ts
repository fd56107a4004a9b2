import { constants } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { routesOf } from '../edge/shape.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Route } from '../types.ts'

const version = 1

/** The last table, so that the proxy starts alone. What cannot be read is set aside, and the table is empty until the daemon tells it. */
export async function loadRoutes(dir: string, log: Logger): Promise<readonly Route[]> {
  const path = join(dir, 'table.json')
  try {
    const text = await readFile(path, 'utf8')
    const file = JSON.parse(text) as { version?: unknown; routes?: unknown }
    if (file?.version !== version) throw new Error('its version is another')
    return routesOf(file.routes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    const aside = `${path}.broken-${Date.now()}`
    log.error(`the routing table in ${path} cannot be read (${messageOf(error)}); it is kept as ${aside}`)
    await rename(path, aside).catch(failed => log.error(`it cannot be set aside: ${messageOf(failed)}`))
    return []
  }
}

/** Replaces the snapshot: after a power cut there is the old one or the new one, whole. */
export async function saveRoutes(dir: string, routes: readonly Route[]): Promise<void> {
  const path = join(dir, 'table.json')
  const next = `${path}.next`
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
  const file = await open(next, flags, 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(JSON.stringify({ version, routes }))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(next, path)
  const folder = await open(dirname(path), constants.O_RDONLY)
  await folder.sync().finally(() => folder.close())
}
