import type { Readable } from 'node:stream'

import type { Call, Procfile } from './types.ts'

/** A pushed revision and its files. */
export interface Source {
  readonly revision: string
  readonly branch: string
  /** Paths of all files, sorted, relative, `/`-separated. Links are not followed; submodules neither, but in a `whole`. */
  list(): Promise<readonly string[]>
  /** A regular file's bytes; undefined when there is none, or it is a link or a folder. */
  read(path: string): Promise<Buffer | undefined>
  /** The whole tree as a tar, streamed; with submodules as several, one behind the other. */
  archive(options: { signal: AbortSignal }): Readable
  /** Where it has submodules: the same with their files, fetched where need be. Throws UserErrors that say which one and why; Cancelled. */
  whole?(call: Pick<Call, 'out' | 'signal'>): Promise<Source>
}

/** What turns a source into something that runs: data, the core builds it. */
export type Builder = ImageBuilder | StaticBuilder

/** A folder of the source that the proxy serves as it is, without a container. */
export interface StaticBuilder {
  readonly name: string
  /** Path in the source; '' for all of it. */
  readonly static: string
  readonly dockerfile?: undefined
}

/** A Dockerfile that the core builds, in the source with some files more. */
export interface ImageBuilder {
  readonly name: string
  /** The Dockerfile's text. */
  readonly dockerfile: string
  /** Files added to the context, path to content; they win over the source's own. */
  readonly files?: Readonly<Record<string, string>>
  readonly buildArgs?: Readonly<Record<string, string>>
  /** The text of a .dockerignore: what of the source stays out of the context. */
  readonly ignore?: string
  readonly target?: string
  /** Processes the builder found where the source has no Procfile. */
  readonly processes?: Procfile
  readonly static?: undefined
}
