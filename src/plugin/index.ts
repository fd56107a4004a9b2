/** Everything a plugin may import: `davit/plugin`. */
export { messageOf, UserError } from '../errors.ts'
export { type DavitEvent, type EventKind, eventKinds, type Told } from '../event.ts'
export type { Logger } from '../log.ts'
export type { Letter, MailServer } from '../mail.ts'
export type { OutboundAnswer, OutboundRequest } from '../request.ts'
export type * from '../types.ts'
export * from './args.ts'
export { type Command, type CommandContext, defineCommand } from './command.ts'
export type { Core } from './core.ts'
export {
  type Context,
  definePlugin,
  type Job,
  type JobContext,
  type Kept,
  type Kv,
  type Plugin,
} from './define.ts'
export type {
  AccessEvent,
  AppEvent,
  ConfigEvent,
  Decision,
  Handler,
  Hook,
  HookContext,
  HookName,
  Hooks,
  KindOf,
  PluginHooks,
  ReleaseEvent,
  SourceEvent,
} from './hooks.ts'
export { refuseHostPath } from './host-path.ts'
export { type InputOptions, readInput } from './input.ts'
export { readJsonc } from './jsonc.ts'
export type { FilesMount, HandledMount, Mount, MountAnswer, MountRequest } from './mount.ts'
export { isProcessName, readAppName, readConfigKey, readHostname } from './names.ts'
export { readNetworks } from './networks.ts'
export { defineReport, defineSet, type Property, type Topic } from './property.ts'
export type {
  LinkOptions,
  PluginServices,
  Recipe,
  ServiceFacts,
  ServiceLogsOptions,
  ServiceStatus,
} from './services.ts'
export type * from './terms.ts'
