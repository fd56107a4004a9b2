import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'

import { ownCall, type Rooms } from '../core/rooms.ts'
import { runWork } from '../core/work.ts'
import type { Service } from '../types.ts'
import { endOf } from './service-ready.ts'

/** What is in it stays when the service's container goes. */
export function folderOf(
  { plugin, name }: Pick<Service, 'plugin' | 'name'>,
  { settings }: Pick<Rooms, 'settings'>,
): string {
  return join(settings.data, 'services', `${plugin}.${name}`)
}

/** Its volumes, each made where it is not there, and its owner's. */
export async function ensureFolders(service: Service, rooms: Rooms): Promise<void> {
  const folder = folderOf(service, rooms)
  mkdirSync(dirname(folder), { recursive: true, mode: 0o711 })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { name, owner } of Object.values(rooms.store.services.spec(service).volumes ?? {})) {
    const made = mkdirSync(join(folder, name), { recursive: true, mode: 0o700 })
    if (made === undefined) continue
    await asRoot(['chown', owner ?? '0:0', '--', `/service/${name}`], { '/service': folder }, rooms)
  }
}

/** With all that is in it. */
export async function removeFolder(service: Service, rooms: Rooms): Promise<void> {
  const folder = folderOf(service, rooms)
  if (!existsSync(folder)) return
  const { plugin, name } = service
  await asRoot(['rm', '-rf', '--', `/services/${plugin}.${name}`], { '/services': dirname(folder) }, rooms)
}

/** What is in there is other users', and root's to touch. */
async function asRoot(
  words: readonly string[],
  folders: Readonly<Record<string, string>>,
  rooms: Rooms,
): Promise<void> {
  const said = endOf()
  const streams = { stdin: Readable.from([]), stdout: said.out, stderr: said.out, terminal: undefined }
  const mounts = Object.fromEntries(Object.entries(folders).map(([at, source]) => [at, { source }]))
  const { signal } = ownCall(rooms)
  const code = await runWork({ words, mounts }, { ...streams, env: {}, signal }, rooms)
  if (code !== 0) throw new Error(`${words.join(' ')} exited with ${code}: ${said.text()}`)
}
