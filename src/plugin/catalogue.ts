import type { Readable } from 'node:stream'

import type { AppName, Call } from '../types.ts'

/** The plugins of this host, as its admins see and change them. */
export interface Catalogue {
  /** All that are there, on or off, by name. */
  list(): readonly PluginFacts[]
  /** The one of that name. UserError `plugin-missing`. */
  get(name: string): PluginFacts
  /**
   * Puts a plugin in, or what came in a tar in place of the one of its name. UserErrors `plugin-refused`, `plugin-there`, `name-taken`,
   * `bad-archive` and those of fetching; then nothing has changed.
   */
  install(
    origin: PluginOrigin,
    options: { readonly name: string | undefined },
    call: Call,
  ): Promise<Installed>
  /** Fetches it again from where it came from. UserErrors as above, `plugin-own`. */
  update(name: string, options: { readonly committish: string | undefined }, call: Call): Promise<Installed>
  /**
   * Takes it away, or the one of its name that Davit's own hides; what it kept stays, for the host and for apps, unless it is purged: then that goes too, also of one that was uninstalled
   * before. UserErrors `plugin-needed` by other plugins, `plugin-depended` on by apps, `plugin-own`.
   */
  uninstall(name: string, options: { readonly purge: boolean }, call: Call): Promise<void>
  /** Turns it on; answers whether it was off. UserError `plugin-refused`. */
  enable(name: string, call: Call): Promise<boolean>
  /** Turns it off; answers whether it was on. UserError `plugin-needed`. */
  disable(name: string, call: Call): Promise<boolean>
}

export type PluginOrigin =
  | { readonly kind: 'git'; readonly url: string; readonly committish: string | undefined }
  | { readonly kind: 'tar'; readonly stream: Readable }

export interface Installed {
  readonly plugin: PluginFacts
  /** as-before: this very commit was there, and on. */
  readonly was: 'new' | 'another' | 'off' | 'as-before'
}

export interface PluginFacts {
  readonly name: string
  readonly about: string
  readonly version: string
  readonly origin: 'davit' | 'installed'
  /** The address it was fetched from, or `tar`. */
  readonly source: string | undefined
  readonly committish: string | undefined
  readonly installedAt: Date | undefined
  readonly api: number | undefined
  readonly needs: readonly string[]
  readonly commands: readonly string[]
  readonly hooks: readonly string[]
  /** Why it is off; undefined when it is on. */
  readonly off: string | undefined
  /** What went wrong last in one of its hooks or mounts since it is on. */
  readonly failure: Failure | undefined
  /** It is a folder of programs. */
  readonly executable: boolean
  /** One of the same name that was installed before Davit brought this one, and is not used. */
  readonly hides: { readonly source: string; readonly commit: string } | undefined
  /** Apps that cannot do without it. */
  readonly apps: readonly AppName[]
}

/** What went wrong, with its place in the plugin's files. */
export interface Failure {
  readonly at: Date
  readonly text: string
}
