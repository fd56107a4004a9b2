import type { Logger } from '../log.ts'
import type { Listen } from '../settings.ts'
import type { Identity, Session } from '../types.ts'

/** What the SSH server is handed. It knows nothing of commands, apps or git. */
export interface FrontDoor {
  /** An inherited descriptor, or where to listen. */
  readonly listen: { readonly fd: number } | Listen
  /** PEM text (OpenSSH form) of the Ed25519 host key. */
  readonly hostKey: string
  /** By fingerprint `SHA256:…`, after the offered key was parsed and before a signature was verified: knowing it proves nothing. */
  readonly findIdentity: (fingerprint: string) => Identity | undefined
  /** One command, with its streams. Answers the exit code; a throw is a bug and ends as 1. */
  readonly run: (session: Session) => Promise<number>
  readonly limits?: Partial<Limits>
  readonly log: Logger
}

export interface Limits {
  /** Milliseconds from accept to a verified signature. */
  readonly loginGraceMs: number
  readonly authenticationTries: number
  /** Open channels per connection. */
  readonly sessionsPerConnection: number
  readonly connections: number
  /** Unauthenticated at once, per address (IPv4 /32, IPv6 /64). */
  readonly pendingPerAddress: number
  /** A peer that reads nothing for so long is ended. */
  readonly idleWriteMs: number
  /** Keys are exchanged anew after so many bytes, or so long. */
  readonly rekeyBytes: number
  readonly rekeyMs: number
}

export interface SshServer {
  readonly port: number
  /** Stops accepting; open sessions get up to `graceMs`, then are ended. */
  close(options: { graceMs: number }): Promise<void>
}
