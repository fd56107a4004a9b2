import type { Awaitable, Call, Session } from '../types.ts'
import type { Arguments, Values } from './args.ts'
import type { Context } from './define.ts'

/** What a command's `run` gets besides its arguments. */
export interface CommandContext extends Context, Call {
  readonly session: Session
}

/** Declared once: parsing, usage and help follow from it. */
export interface Command<A extends Arguments = Arguments> {
  /** `topic:verb`, or a bare topic. */
  readonly name: string
  /** One line, as a sentence without its full stop. */
  readonly about: string
  readonly args?: A
  /** What `--help` lists besides words and flags: names that may be given, and what each means. */
  readonly more?: readonly (readonly [string, string])[]
  /** It only looks: no audit row. */
  readonly reads?: boolean
  /** Says what must be typed back before it runs, where something is lost; `--force` skips it. */
  readonly confirm?: (values: Values<A>) => { readonly name: string; readonly loses: string } | undefined
  /** Not in `help`; for forms that clients use and people need not learn. */
  readonly hidden?: boolean
  /** An exit code, or nothing for 0. Reads, makes one call, prints. */
  run(values: Values<A>, context: CommandContext): Awaitable<number | void>
}

/** Keeps the types of `args` for `run`; answers a command of the common type. */
export function defineCommand<const A extends Arguments = Record<never, never>>(
  command: Command<A>,
): Command {
  return command as unknown as Command
}
