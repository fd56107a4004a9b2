import type { Readable, Writable } from 'node:stream'

import type { Env, Source } from '../types.ts'

/** One ref of a push, as git's pre-receive hook tells it. All-zero ids: made or deleted. */
export interface RefUpdate {
  readonly old: string
  readonly new: string
  readonly name: string
}

export interface Push {
  readonly refs: readonly RefUpdate[]
  /**
   * Where the pushed objects are until the hook ends: GIT_OBJECT_DIRECTORY, GIT_ALTERNATE_OBJECT_DIRECTORIES, GIT_QUARANTINE_PATH.
   * Empty when the push only deletes.
   */
  readonly quarantine: Env
}

export interface GitStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly signal: AbortSignal
  /** `version=2` and such, as the client asked; undefined otherwise. */
  readonly protocol: string | undefined
}

/** Bare repositories under one folder, by app name. */
export interface Repositories {
  /** Makes the repository, with every guard set, unless it is there. */
  ensure(app: string): Promise<void>
  remove(app: string): Promise<void>
  /** Moved already is fine. */
  rename(app: string, to: string): Promise<void>
  /** Makes the one with the branches, tags and HEAD of the other. */
  copy(app: string, to: string, options: { signal: AbortSignal }): Promise<void>
  /**
   * Runs git receive-pack. `accept` is asked once, before any ref is taken; what it hands to `say` shows as `remote: …` at the
   * pusher's; 0 takes the refs, anything else rejects them all. Aborted `signal` ends git's whole process group. Answers git's exit code.
   */
  receive(app: string, streams: GitStreams, accept: Accept): Promise<number>
  /** upload-pack (fetch, clone) and upload-archive. Answers git's exit code. */
  serve(app: string, service: 'upload-pack' | 'upload-archive', streams: GitStreams): Promise<number>
  /** A revision as a source; `quarantine` while its objects are in a push. UserError `no-commit` when it names no commit. */
  source(app: string, revision: string, options: { branch: string; quarantine?: Env }): Promise<Source>
  /**
   * Hands over the files of a repository elsewhere, for as long as `use` takes: at a branch, a tag or a whole commit, else at its HEAD. Its
   * submodules are not among them. UserErrors `git-commit`, `git-url`, `git-failed` and those of Reach; Cancelled.
   */
  foreign<T>(
    from: { readonly url: URL; readonly committish: string | undefined; readonly signal: AbortSignal },
    use: (source: Source) => Promise<T>,
  ): Promise<T>
  /** The commit a branch is at; undefined when there is none. */
  tip(app: string, branch: string): Promise<string | undefined>
  /** Makes HEAD name the branch, so that a clone checks out what is deployed. */
  setHead(app: string, branch: string): Promise<void>
  /**
   * Packs what pushes left and drops what nothing has named for two weeks, of submodules what the deployed branch does not name. git
   * never does so by itself here.
   */
  gc(app: string, options: { signal: AbortSignal }): Promise<void>
}

export type Accept = (push: Push, tools: PushTools) => Promise<number>

export interface PushTools {
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  /** From now on the push is taken, even if the pusher leaves: what it brought is live. */
  readonly keep: () => void
}
