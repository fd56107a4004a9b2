import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'

import { UserError } from '../errors.ts'
import type { Session } from '../types.ts'

/** Asks for the name to be typed back. Throws UserError `not-confirmed`; without a terminal at once, naming --force. */
export async function confirmed(
  { name, loses }: { name: string; loses: string },
  session: Session,
): Promise<void> {
  if (!session.terminal) {
    throw new UserError(
      'not-confirmed',
      `${loses} Nobody is at a terminal to confirm it.`,
      'Add --force to go ahead without being asked.',
    )
  }
  session.stderr.write(` !     ${loses}\r\n`)
  session.stderr.write(' !     To go on, type the name: ')
  const typed = await readTyped(session)
  if (typed === undefined) {
    session.stderr.write('\r\n')
    throw new UserError('not-confirmed', 'Nothing was changed.')
  }
  if (typed !== name) throw new UserError('not-confirmed', `That is not ${name}; nothing was changed.`)
}

/** The pty is the client's: it sends keys as they are typed, so they are echoed here. Undefined: no answer will come. */
async function readTyped({ stdin, stdout, signal }: Session): Promise<string | undefined> {
  const lines = createInterface({ input: stdin, output: stdout, terminal: true })
  const ended = once(lines, 'close').then(() => undefined)
  // Rejected by Ctrl-C, Ctrl-D and the signal alone.
  const answer = lines.question('', { signal }).catch(() => undefined)
  try {
    return (await Promise.race([answer, ended]))?.trim()
  } finally {
    lines.close()
  }
}
