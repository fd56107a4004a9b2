import { HookError, messageOf, UserError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Out } from '../types.ts'

/**
 * An error as the person reads it, and its exit code. What they can put right says what is wrong and how to go on; anything else is a
 * bug: the person gets an id, the log gets the stack.
 */
export function report(error: unknown, out: Out, { log, id }: { log: Logger; id: string }): number {
  const plain = error instanceof HookError && error.cause instanceof UserError ? error.cause : error
  if (plain instanceof UserError) {
    out.warn(plain.message)
    if (plain.hint) out.warn(plain.hint)
    return plain.exit
  }
  if (error instanceof HookError) {
    log.warn({ err: error }, 'a plugin stopped an operation')
    out.warn(messageOf(error))
    return 1
  }
  log.error({ err: error, id }, 'a bug')
  out.warn(`Something went wrong inside Davit; nothing you can put right. The log has it under ${id}.`)
  return 1
}
