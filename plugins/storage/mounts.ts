import { type AppName, type Core, refuseHostPath, UserError } from 'davit/plugin'

import { nameIn, pathOf } from './places.ts'

/** A storage by its name, or a path of the host, and where the app finds it. */
export interface Mount {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

/** They go along when an app is renamed or cloned: properties do. */
export function mountsOf(app: AppName, core: Core): readonly Mount[] {
  return JSON.parse(core.properties.get('storage', app, 'mounts') ?? '[]') as Mount[]
}

export function setMounts(app: AppName, mounts: readonly Mount[], core: Core): void {
  core.properties.set('storage', app, 'mounts', mounts.length > 0 ? JSON.stringify(mounts) : undefined)
}

export function readMount(word: string, core: Core): Mount {
  const [, host = '', target = '', options = ''] = /^([^:]+):(\/[^:,\0]*)(?::([a-zA-Z,]+))?$/.exec(word) ?? []
  if (host === '' || /\/\.{1,2}(\/|$)/.test(target) || !/^(?:rw|ro)?$/.test(options))
    throw new UserError(
      'bad-mount',
      `${JSON.stringify(word)} is no mount.`,
      'Say it like NAME:/path/in/the/app, with :ro behind it for reading only.',
    )
  const source = nameIn(host, core) ?? host
  if (source.startsWith('/')) refuseHostPath(source)
  return { source, target, readOnly: options === 'ro' }
}

/** As people write it. */
export function textOf({ source, target, readOnly }: Mount, core: Core): string {
  return `${pathOf(source, core)}:${target}${readOnly ? ':ro' : ''}`
}
