import type { Env } from './types.ts'

/** Everything that decides how a container runs. Lists are keyed maps, so that a patch can add one entry. */
export interface ContainerSpec {
  readonly image: string
  readonly command: readonly string[]
  readonly env: Env
  /** Path in the container to what is mounted there. */
  readonly mounts: Readonly<Record<string, { readonly source: string; readonly readOnly?: boolean }>>
  /** Extra labels; `com.davit.*` are the core's own. */
  readonly labels: Readonly<Record<string, string>>
  readonly memoryBytes?: number
  /** Memory and swap together; -1: any. */
  readonly memorySwapBytes?: number
  /** What it ought to keep when memory is short. */
  readonly memoryReservationBytes?: number
  readonly cpus?: number
  /** Its weight when processors are short; 1024 unless told. */
  readonly cpuShares?: number
  /** Of /dev/shm. */
  readonly shmBytes?: number
  readonly ulimits?: Readonly<Record<string, { readonly soft: number; readonly hard: number }>>
  /** Hostnames that the container is to know, to their addresses. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Addresses of name servers in place of the engine's. */
  readonly dns?: Readonly<Record<string, true>>
  /** Path in the container to the options of a filesystem in memory. */
  readonly tmpfs?: Readonly<Record<string, string>>
  /** In place of the image's own: a name, or UID:GID. */
  readonly user?: string
  readonly workdir?: string
  /** Networks that are shared with other apps, by the name people gave; with the names that this container has there. */
  readonly networks?: Readonly<Record<string, { readonly aliases: Readonly<Record<string, true>> }>>
  /** Nothing but mounts can be written to. */
  readonly readOnly?: boolean
  readonly pidLimit: number
  /** Seconds between SIGTERM and SIGKILL. */
  readonly stopTimeout: number
}
