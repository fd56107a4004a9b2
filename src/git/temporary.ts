import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

/** What begins so is nobody's when the daemon starts. */
export const temporaryPrefix = '.tmp-'

export function temporary(folder: string): string {
  return join(folder, `${temporaryPrefix}${randomBytes(8).toString('hex')}`)
}
