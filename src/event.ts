import type { AppName } from './types.ts'

/** Something worth telling a person. */
export interface DavitEvent {
  readonly at: Date
  readonly kind: EventKind
  /** warning: somebody ought to look at it some time · error: now. */
  readonly level: 'info' | 'warning' | 'error'
  /** Undefined: it is about the whole host. */
  readonly app: AppName | undefined
  /** Who did it; `davit` where nobody did. */
  readonly by: string
  /** One sentence, without secrets. */
  readonly text: string
  /** The same for programs; what stands here depends on the kind. */
  readonly data: Readonly<Record<string, string | number | boolean>>
}

/** Davit's own kinds; a plugin's begin with its name: `letsencrypt:renewed`. */
export type EventKind = (typeof eventKinds)[number] | `${string}:${string}`

/** What Davit itself tells of. */
export const eventKinds = [
  'app-created',
  'app-destroyed',
  'app-renamed',
  'app-cloned',
  /** A release is live. `data.release`, `data.why`, `data.revision`. */
  'released',
  /** New containers of the live release: a restart, a scale, a link. `data.release`, `data.why`. */
  'rolled-out',
  /** A change in front of traffic was undone. `data.why`, `data.reason`. */
  'failed',
  /** A person, or the loss of their connection, ended a change before it was live. `data.why`. */
  'cancelled',
  'stopped',
  /** `data.set`, `data.unset`: keys. */
  'config-changed',
  /** `data.hostnames`. */
  'domains-changed',
  /** A container keeps ending. `data.container`, `data.exit`; of a service `data.plugin` and `data.service` too. */
  'crash-loop',
  /** A disk is nearly full. `data.folder`, `data.free` in bytes. */
  'disk-low',
  /** A plugin's job failed, or its time passed while Davit was not running. `data.job`, `data.reason`. */
  'job-failed',
  'job-missed',
  /** A plugin is off. `data.plugin`, `data.reason`. */
  'plugin-off',
  'plugin-on',
] as const

/** What whoever tells of something has to say; the rest is known. */
export type Told = Pick<DavitEvent, 'kind' | 'text'> & Partial<Omit<DavitEvent, 'kind' | 'text' | 'at'>>
