import type { App, AppName, Awaitable } from '../types.ts'
import type { Context } from './define.ts'

/** A path of apps that a plugin answers: whatever comes of it, the app itself is not asked. */
export type Mount = FilesMount | HandledMount

interface Place {
  /** `/.well-known/acme-challenge`: this path and all below it. */
  readonly path: string
  /** For everybody: before maintenance, passwords, lists and what leads to https. */
  readonly open?: boolean
  /** Which apps have it; all of them unless told. Asked whenever an app's route is told: see `core.routes.refresh`. */
  readonly apps?: (app: App, context: Context) => boolean
}

/** Answered by the proxy itself, also while the daemon is away. */
export interface FilesMount extends Place {
  /** A folder in `core.served()`: what stands below the path, stands below the folder. */
  readonly files: string
}

/** Answered by the daemon. 10 s at most; 502 while it is away. */
export interface HandledMount extends Place {
  handle(request: MountRequest, context: Context): Awaitable<MountAnswer>
}

/** What a visitor asks of a mount. */
export interface MountRequest {
  readonly method: string
  /** With its query, as it came. */
  readonly path: string
  readonly app: AppName
  /** Who asks, as far as the proxy trusts what it is told. */
  readonly client: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** 1 MB at most; a longer one is refused. */
  readonly body: Buffer
}

/** What the visitor gets. */
export interface MountAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Plain text unless the headers say otherwise. */
  readonly body?: string | Buffer
}
