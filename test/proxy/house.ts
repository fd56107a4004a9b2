import net from 'node:net'

import pino from 'pino'

import { UserError } from '../../src/errors.ts'
import { proxy } from '../../src/proxy/main.ts'
import { readSettings } from '../../src/settings.ts'
import { up, whenSupervisorGoes } from '../../src/up.ts'

/** `up`, the real proxy, and a daemon that only says who it is: `pid uid groups home https` to everyone who connects. */
async function house([command, ...flags]: readonly string[]) {
  const settings = readSettings(flags)
  if (command === 'up') return up(settings, { log: pino({ level: 'info' }), program: import.meta.filename })
  if (command === 'proxy') {
    return proxy(settings, { command: () => [process.execPath, import.meta.filename, 'proxy'] })
  }
  const server = net.createServer(socket =>
    socket.end(
      `${process.pid} ${process.getuid!()} ${process.getgroups!()} ${settings.home} ${settings.httpsListen?.port}\n`,
    ),
  )
  server.listen({ fd: settings.inherited.ssh! })
  const told = Promise.withResolvers<void>()
  process.on('SIGTERM', () => told.resolve())
  whenSupervisorGoes(told.resolve)
  await told.promise
}

house(process.argv.slice(2)).then(
  () => process.exit(0),
  error => {
    if (!(error instanceof UserError)) throw error
    console.error(`${error.code}: ${error.message} ${error.hint}`)
    process.exit(error.exit)
  },
)
