/** What a person can put right: a code for programs, a sentence for people, and the way out. */
export class UserError extends Error {
  readonly code: string
  readonly hint: string | undefined
  /** Exit status of the command that fails with it. Dokku's clients read 20 as "no such app". */
  readonly exit: number

  constructor(
    code: string,
    message: string,
    hint?: string,
    { exit = 1, cause }: { exit?: number; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.name = 'UserError'
    this.code = code
    this.hint = hint
    this.exit = exit
  }
}

export function nameTaken(): UserError {
  return new UserError('name-taken', 'Name is already taken', 'See your apps with: apps:list')
}

export function appMissing(name: string): UserError {
  return new UserError('app-missing', `App ${name} does not exist`, 'See your apps with: apps:list', {
    exit: 20,
  })
}

/** The person, or the loss of their connection, ended the operation. */
export class Cancelled extends UserError {
  constructor(reason = 'Cancelled before it was live; nothing changed.') {
    super('cancelled', reason)
  }
}

/** A plugin's handler stopped an operation: names the plugin and the hook, keeps the cause. */
export class HookError extends Error {
  readonly plugin: string
  readonly hook: string

  /** `says`: what is told of the cause, where that is more than its message. */
  constructor(plugin: string, hook: string, cause: unknown, { says = messageOf(cause) } = {}) {
    super(`${plugin} stopped ${hook}: ${says}`, { cause })
    this.name = 'HookError'
    this.plugin = plugin
    this.hook = hook
  }
}

/** What a program or the engine says when a disk has no room; Node and SQLite have codes for it. */
const noRoom = /no space left on device|disk quota exceeded/i

export function isDiskFull(error: unknown): boolean {
  const { code } = Object(error) as { code?: unknown }
  return /^(?:ENOSPC|EDQUOT|SQLITE_FULL)$/.test(String(code)) || noRoom.test(messageOf(error))
}

/** `what` is kept in `folder`. */
export function diskFull(what: string, folder: string, cause?: unknown): UserError {
  return new UserError(
    'disk-full',
    `The disk that holds ${what} is full.`,
    `Make room on the host, then try again. What is left says: df -h ${folder}`,
    { cause },
  )
}

/** The error, or where its cause is a full disk, that. */
export function unlessDiskFull(error: unknown, what: string, folder: string): unknown {
  return isDiskFull(error) && !(error instanceof UserError) ? diskFull(what, folder, error) : error
}

/** What an error says; anything else that was thrown, as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
