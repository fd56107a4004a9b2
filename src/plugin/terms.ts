import type { Readable, Writable } from 'node:stream'

import type { AppName, ContainerSpec, Env, Terminal } from '../types.ts'

/** The terms in which core is asked, and answers. */

/** What a certificate says of itself. */
export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  readonly startsAt: Date
  readonly expiresAt: Date
  /** Lower-case, wildcards too. */
  readonly hostnames: readonly string[]
  readonly verified: 'verified by a certificate authority' | 'self signed' | 'not verified'
}

/** What was taken away because nothing needed it. */
export interface Upkeep {
  readonly images: number
  readonly cacheBytes: number
  /** Apps that were being changed, and so left alone. */
  readonly busy: readonly AppName[]
  /** Apps that could not be looked through; the log says why. */
  readonly failed: readonly AppName[]
}

/** Which lines; with `follow` on until the signal. */
export interface LogsOptions {
  readonly tail: number
  readonly follow: boolean
  readonly process: string | undefined
  readonly signal: AbortSignal
}

/** One line that an app printed. */
export interface AppLogLine {
  readonly at: Date
  /** `web.1` */
  readonly from: string
  readonly text: string
}

/** as-written, json, combined: requests, as their app has them written down or in that form · errors, errors-json: what went wrong. */
export type TrafficForm = 'as-written' | 'json' | 'combined' | 'errors' | 'errors-json'

/** Which lines; with `follow` on until the signal. */
export interface TrafficOptions {
  readonly tail: number
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** The other end of a command: a person's session, or streams of a plugin's own. */
export interface RunIo {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly terminal: Terminal | undefined
  readonly env: Env
  readonly signal: AbortSignal
}

/** A command of the plugin's own, and what it finds where. */
export interface Work {
  readonly words: readonly string[]
  readonly mounts: ContainerSpec['mounts']
}

/** A job as it is planned, and how it went. */
export interface JobInfo {
  readonly plugin: string
  readonly name: string
  readonly about: string
  readonly schedule: string
  readonly next: Date | undefined
  readonly running: boolean
  /** Newest first. */
  readonly runs: readonly JobRun[]
}

/** How one run went. */
export interface JobRun {
  /** missed: at its time Davit was not running · skipped: the run before was still under way. */
  readonly outcome: 'running' | 'succeeded' | 'failed' | 'missed' | 'skipped'
  readonly at: Date
  readonly endedAt: Date | undefined
  /** Why it failed. */
  readonly reason: string | undefined
}
