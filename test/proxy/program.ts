import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { messageOf, UserError } from '../../src/errors.ts'
import { proxy } from '../../src/proxy/main.ts'
import { tellFailure } from '../../src/proxy/predecessor.ts'
import { readSettings } from '../../src/settings.ts'

/** The proxy alone, as a program. What is in a file `next` of its data is run in its place at an upgrade. */
const settings = readSettings(process.argv.slice(2).filter(word => word !== 'proxy'))
const next = join(settings.data, 'next')
const command = () =>
  existsSync(next)
    ? [process.execPath, '-e', readFileSync(next, 'utf8')]
    : [process.execPath, import.meta.filename, 'proxy']
try {
  await proxy(settings, { command })
  process.exit(0)
} catch (error) {
  await tellFailure(messageOf(error), settings)
  if (!(error instanceof UserError)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = error.exit
}
