import { UserError } from '../../src/errors.ts'
import { proxy } from '../../src/proxy/main.ts'
import { readSettings } from '../../src/settings.ts'

/** The proxy alone, as a program. */
try {
  await proxy(readSettings(process.argv.slice(2).filter(word => word !== 'proxy')))
} catch (error) {
  if (!(error instanceof UserError)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = error.exit
}
