import { readFile } from 'node:fs/promises'

import { messageOf, UserError } from '../errors.ts'
import type { CommandContext } from './command.ts'

/** What is to come in on stdin. */
export interface InputOptions {
  /** A path that stands on the line: good on the host itself, where it is read in place of stdin. */
  readonly file?: string | undefined
  /** What it ought to be, for the sentences of errors: `key`, `page`. */
  readonly what: string
  /** Bytes. */
  readonly most: number
  /** The command as it would be typed, without its input: `ssh-keys:add NAME`. */
  readonly usage: string
}

/** What a command is given besides its words. UserErrors `no-input`, `no-file`; a terminal with nobody typing is not waited for. */
export async function readInput(
  { session }: Pick<CommandContext, 'session'>,
  { file, what, most, usage }: InputOptions,
): Promise<Buffer> {
  const content = file === undefined || file === '-' ? await onStdin() : await inFile(file)
  if (content.length === 0) throw new UserError('no-input', `No ${what} came in.`, `Usage: ${usage} < FILE`)
  if (content.length > most) throw new UserError('no-input', `That is too long to be a ${what}.`)
  return content

  async function inFile(path: string): Promise<Buffer> {
    if (!session.local)
      throw new UserError(
        'no-file',
        'A file can be named on the host itself only.',
        `Send the ${what} on stdin: ${usage} < ${path}`,
      )
    return readFile(path).catch((error: unknown) => {
      throw new UserError(
        'no-file',
        `Cannot read ${path}: ${messageOf(error)}`,
        `Send the ${what} on stdin instead: ${usage} < ${path}`,
      )
    })
  }

  async function onStdin(): Promise<Buffer> {
    if (session.terminal)
      throw new UserError('no-input', `No ${what} came in.`, `Send it on stdin: ssh HOST ${usage} < FILE`)
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of session.stdin as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > most) break
    }
    return Buffer.concat(chunks)
  }
}
