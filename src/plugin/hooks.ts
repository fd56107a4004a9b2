import type { DavitEvent } from '../event.ts'
import type {
  App,
  AppName,
  Awaitable,
  Builder,
  Certificate,
  ContainerSpec,
  Env,
  Identity,
  Out,
  Release,
  Route,
  Source,
} from '../types.ts'
import type { Context } from './define.ts'
import { meant } from './nearest.ts'

/** Something about an app. */
export interface AppEvent {
  readonly app: App
}

/** Something about a pushed source. */
export interface SourceEvent extends AppEvent {
  readonly source: Source
}

/** Something about a release of an app. */
export interface ReleaseEvent extends AppEvent {
  readonly release: Release
}

/** Keys of an app's config that were set and unset. */
export interface ConfigEvent extends AppEvent {
  readonly set: readonly string[]
  readonly unset: readonly string[]
}

/** What somebody is about to do. */
export interface AccessEvent {
  readonly by: Identity
  /** The command's name, `config:set`; `git-receive-pack` and its like for git's own. */
  readonly command: string
  /** Which app it is about; undefined: none, or the host. */
  readonly app: AppName | undefined
  /** It only looks. */
  readonly reads: boolean
}

/** The reason is a sentence for who is refused. */
export type Decision = { readonly allow: true } | { readonly allow: false; readonly reason: string }

/** Every hook, with what it is told and what it may answer. The first word of a name is its kind. */
export interface Hooks {
  /** An app is about to be made. */
  beforeCreate(event: AppEvent): void
  /** An app has been made; nothing was deployed yet. */
  afterCreate(event: AppEvent): void
  /** An app is about to go with all it has. */
  beforeDestroy(event: AppEvent): void
  /** An app is gone; its name is free again. */
  afterDestroy(event: AppEvent): void
  /** An app has another name; `was` is the one before. */
  afterRename(event: AppEvent & { readonly was: string }): void
  /** Before the clone is live. It has what `kv.of` keeps and what it depends on already; this is for what lies elsewhere. */
  afterClone(event: AppEvent & { readonly from: App }): void
  /** A pushed source is about to be built. */
  beforeBuild(event: SourceEvent): void
  /** Who knows how to build the source? The first answer counts. */
  findBuilder(event: SourceEvent): Builder
  /** How the source will be built, by whichever builder answered. */
  shapeBuild(build: Builder, event: SourceEvent): Builder
  /** The environment of one process of a release, for each of its processes. */
  shapeEnv(env: Env, event: ReleaseEvent & { readonly process: string }): Env
  /** Everything else of how a process's containers run. */
  shapeContainer(spec: ContainerSpec, event: ReleaseEvent & { readonly process: string }): ContainerSpec
  /** New containers of a release are about to be started: after a push, a rollback, a change of config or of counts. */
  beforeRelease(event: ReleaseEvent): void
  /** The release is live: its containers answer, the ones before are being drained. */
  afterRelease(event: ReleaseEvent): void
  /** A change in front of traffic did not come about and was undone. */
  afterFailure(event: AppEvent & { readonly error: unknown }): void
  /** Values of an app were set or unset; `set` and `unset` are their keys. */
  afterConfig(event: ConfigEvent): void
  /** How the proxy serves an app, each time it is told. */
  shapeRoute(route: Route, event: AppEvent): Route
  /** For a hostname that the app has no certificate of its own for. */
  findCertificate(event: AppEvent & { readonly hostname: string }): Certificate
  /** An app's hostnames have changed; `hostnames` are all it has now. */
  afterDomains(event: AppEvent & { readonly hostnames: readonly string[] }): void
  /**
   * Whether somebody may do it; without an answer their role decides. Never asked for the host's own socket, nor for plugin:disable, so
   * that nobody is locked out.
   */
  findAccess(event: AccessEvent): Decision
  /** Everything worth telling a person. Nothing waits for it. */
  afterEvent(event: DavitEvent): void
}

/** There are about twenty. */
export type HookName = keyof Hooks

/** The first word of a hook's name is its kind: when it runs, what it may answer, and what a throw does. */
export type KindOf<N extends HookName> = N extends `before${string}`
  ? 'before'
  : N extends `shape${string}`
    ? 'shape'
    : N extends `find${string}`
      ? 'find'
      : 'after'

/** A handler's own view: its plugin's context, words for the person, and a signal that joins the caller's cancel with its timeout. */
export interface HookContext extends Context {
  readonly out: Out
}

type Result<N extends HookName> = {
  before: void
  after: void
  shape: ReturnType<Hooks[N]> | undefined | void
  find: ReturnType<Hooks[N]> | undefined | void
}[KindOf<N>]

/** Gets what its hook is about, and the context last; answers what the hook's kind lets it. */
export type Handler<N extends HookName> = (
  ...args: [...Parameters<Hooks[N]>, HookContext]
) => Awaitable<Result<N>>

/** A handler, or one with its place and its own time limit (milliseconds). */
export type Hook<N extends HookName> =
  | Handler<N>
  | { readonly order?: 'early' | 'late'; readonly timeoutMs?: number; readonly handle: Handler<N> }

/** A handler for each hook that a plugin listens to. */
export type PluginHooks = { readonly [N in HookName]?: Hook<N> }

/** The names at run time; the type below fails to compile when one is missing. */
export const hookNames = [
  'beforeCreate',
  'afterCreate',
  'beforeDestroy',
  'afterDestroy',
  'afterRename',
  'afterClone',
  'beforeBuild',
  'findBuilder',
  'shapeBuild',
  'shapeEnv',
  'shapeContainer',
  'beforeRelease',
  'afterRelease',
  'afterFailure',
  'afterConfig',
  'shapeRoute',
  'findCertificate',
  'afterDomains',
  'findAccess',
  'afterEvent',
] as const satisfies readonly HookName[]

export function isHookName(name: string): name is HookName {
  return hookNames.some(each => each === name)
}

/** What is wrong with listening to that. */
export function noHook(name: string): string {
  return `it listens to ${name}, which is no hook${meant(name, hookNames)}: there are ${hookNames.join(', ')}`
}

type Missing = Exclude<HookName, (typeof hookNames)[number]>
const allNamed: Missing extends never ? true : Missing = true
void allNamed
