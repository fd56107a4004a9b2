import { join } from 'node:path'

import type { Cellar } from '../core/rooms.ts'
import type { App, Route } from '../types.ts'

/** Where the daemon answers for plugins. The folder is the proxy's group's to enter; the path is no longer than that of the proxy's own socket. */
export function mountSocket(data: string): string {
  return join(data, 'handlers/http.sock')
}

/** What the proxy may read of a plugin's. */
export function servedFolder(plugin: string, data: string): string {
  return join(data, 'static', `plugin-${plugin}`)
}

/** What plugins answer in place of the app; of two that want a path, the one that is asked first. */
export function mountsOf(app: App, { roster, settings: { data } }: Cellar): Pick<Route, 'mounts'> {
  const mounts: Record<string, NonNullable<Route['mounts']>[string]> = {}
  for (const { plugin, context } of roster.members()) {
    for (const mount of plugin.mounts ?? []) {
      if (Object.hasOwn(mounts, mount.path) || mount.apps?.(app, context) === false) continue
      const open = mount.open ? { open: true } : {}
      mounts[mount.path] =
        'files' in mount
          ? { files: join(servedFolder(plugin.name, data), mount.files), ...open }
          : { plugin: plugin.name, socket: mountSocket(data), ...open }
    }
  }
  return Object.keys(mounts).length > 0 ? { mounts } : {}
}
