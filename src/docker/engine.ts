import type { Readable, Writable } from 'node:stream'

import type { ContainerSpec, Terminal } from '../types.ts'

/** The seam to the container engine. Everything above speaks this; docker/dockerode.ts is its only maker. */
export interface Engine {
  /** Throws UserError `engine-away` when the engine cannot be reached. */
  ping(): Promise<{ readonly version: string; readonly apiVersion: string }>

  networks(): Promise<readonly NetworkInfo[]>
  /** Makes the bridge network unless one of that name and subnet is there. UserError `subnet-taken` on an overlap. */
  ensureNetwork(network: { name: string; subnet: string; gateway: string; labels: Labels }): Promise<void>
  /** Gone already is fine. */
  removeNetwork(name: string): Promise<void>
  /** A container, running or not, joins a network. UserErrors `network-missing`, `address-taken`. */
  connect(name: string, network: string, joined: Joined): Promise<void>
  /** It leaves. Either gone already is fine. */
  disconnect(name: string, network: string): Promise<void>

  /** Creates without starting. Answers the engine's id. UserError `image-missing`, `mount-missing`, `network-missing`. */
  create(container: NewContainer): Promise<string>
  /** Running already is fine. UserError `address-taken`, which the engine finds out only now. */
  start(name: string): Promise<void>
  /** SIGTERM, then SIGKILL after `seconds`. Gone or stopped already is fine. */
  stop(name: string, options: { seconds: number }): Promise<void>
  /** Gone or stopped already is fine. */
  kill(name: string, options: { signal: string }): Promise<void>
  /** Forced, with its anonymous volumes. Gone already is fine. */
  remove(name: string): Promise<void>
  /** Whether the engine itself restarts it on failure. Gone already is fine. */
  setRestart(name: string, restart: boolean): Promise<void>
  rename(name: string, to: string): Promise<void>
  inspect(name: string): Promise<ContainerInfo | undefined>
  /** All containers, running or not, that carry all the labels. */
  containers(labels: Labels): Promise<readonly ContainerInfo[]>
  /** Resolves with the exit code when the container has stopped. */
  wait(name: string, options: { signal: AbortSignal }): Promise<number>
  /** One line at a time, both streams in order. Ends with the container, or at once without `follow`. */
  logs(name: string, options: LogOptions): AsyncIterable<LogLine>
  /** Attached before the start, so that nothing is lost. */
  attach(name: string, streams: AttachStreams): Promise<Attachment>
  /** Runs a command in a running container. */
  exec(
    name: string,
    command: readonly string[],
    streams: AttachStreams & { env?: Labels },
  ): Promise<Attachment>

  /** A file or folder of a container, running or not, as a tar that is read as it comes. UserError `no-file`. */
  copyOut(name: string, file: string, options: { signal: AbortSignal }): Promise<Readable>

  /** Answers the image's id (`sha256:…`). Throws BuildError with the failing step's last lines. */
  build(build: NewBuild): Promise<string>
  image(reference: string): Promise<ImageInfo | undefined>
  images(labels: Labels): Promise<readonly ImageInfo[]>
  tag(reference: string, tag: string): Promise<void>
  /** Untags; the engine drops the layers with the last tag. Gone already, or in use, is fine: answers whether it went. */
  removeImage(reference: string): Promise<boolean>
  /** The build cache is one for everybody on the engine. Answers the bytes that were freed. */
  pruneCache(limits: { unusedHours: number; bytes: number }): Promise<number>

  /** Reconnects by itself until `signal` aborts; yields `{ kind: 'reconnected' }` after every gap. */
  events(options: { labels: Labels; signal: AbortSignal }): AsyncIterable<EngineEvent>
}

export type Labels = Readonly<Record<string, string>>

export interface NetworkInfo {
  readonly name: string
  readonly subnets: readonly string[]
  readonly labels: Labels
}

export interface NewContainer {
  readonly name: string
  readonly spec: ContainerSpec
  readonly labels: Labels
  /** None: it reaches nothing. */
  readonly network: string | undefined
  readonly address: string | undefined
  /** Further networks. */
  readonly joins?: Readonly<Record<string, Joined>>
  readonly hostname?: string
  /** Restart on failure, by the engine; tasks do not. */
  readonly restart: boolean
  /** stdin kept open, and a pty when `tty`. For tasks that a person talks to. */
  readonly interactive?: { readonly tty: boolean }
}

/** How a container is found in a network. */
export interface Joined {
  /** Names that it has there. */
  readonly aliases: readonly string[]
  /** As the engine likes, unless told. */
  readonly address?: string
}

export interface ContainerInfo {
  readonly id: string
  readonly name: string
  readonly labels: Labels
  readonly state: 'created' | 'running' | 'restarting' | 'paused' | 'exited' | 'dead' | 'removing'
  /** Null while it has never stopped. */
  readonly exitCode: number | null
  readonly outOfMemory: boolean
  readonly restarts: number
  /** Addresses by network name. */
  readonly addresses: Labels
  readonly startedAt: Date | undefined
  readonly createdAt: Date
}

export interface ImageInfo {
  readonly id: string
  readonly tags: readonly string[]
  readonly labels: Labels
  /** Exposed TCP ports, in ascending order. */
  readonly ports: readonly number[]
  readonly command: readonly string[]
  readonly entrypoint: readonly string[]
  readonly bytes: number
}

export interface LogOptions {
  /** Last lines to begin with; all when absent. */
  readonly tail?: number
  readonly follow?: boolean
  readonly since?: Date
  readonly signal: AbortSignal
}

export interface LogLine {
  readonly at: Date
  readonly stream: 'stdout' | 'stderr'
  /** Without the line's end. */
  readonly text: string
}

export interface AttachStreams {
  readonly stdin?: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly terminal?: Terminal
  readonly signal: AbortSignal
}

export interface Attachment {
  /** Settles when all output has been handed over: exit code of an exec, undefined for an attach, or when it cannot be known any more. */
  readonly done: Promise<number | undefined>
}

export interface NewBuild {
  /** A tar; `dockerfile` is the name of a file in it. Streamed, never buffered whole. */
  readonly context: Readable
  readonly dockerfile: string
  readonly tag: string
  readonly target?: string
  readonly buildArgs: Labels
  readonly labels: Labels
  readonly signal: AbortSignal
  /** The build's trace as plain lines, as it happens. */
  readonly line: (text: string) => void
}

export type EngineEvent =
  | { readonly kind: 'reconnected' }
  | {
      readonly kind: 'container'
      /** `start`, `die`, `oom`, `destroy`, `stop`, `kill`, `rename`… as the engine says. */
      readonly action: string
      readonly name: string
      readonly labels: Labels
      readonly exitCode: number | undefined
    }
