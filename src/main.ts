import { runLocally } from './cli/client.ts'
import { messageOf, UserError } from './errors.ts'
import { openLog } from './log.ts'
import { clientSocket, readSettings } from './settings.ts'

/** `davit up|serve|proxy` runs a part of Davit, `davit compile` what comes before; anything else is a command through the local socket. */
async function main([name = 'help', ...rest]: readonly string[]): Promise<number> {
  switch (name) {
    case 'up': {
      const { up } = await import('./up.ts')
      await up(readSettings(rest), { log: openLog('up') })
      return 0
    }
    case 'serve': {
      const { serve } = await import('./daemon.ts')
      await giveBackAtRest()
      await serve(readSettings(rest), { log: openLog('serve'), signal: await untilEnded() })
      return 0
    }
    case 'proxy': {
      const settings = readSettings(rest)
      try {
        const { proxy } = await import('./proxy/main.ts')
        await giveBackAtRest()
        await proxy(settings)
      } catch (error) {
        const { tellFailure } = await import('./proxy/predecessor.ts')
        await tellFailure(messageOf(error), settings)
        throw error
      }
      return 0
    }
    case 'compile': {
      const { compile } = await import('./compile.ts')
      await compile()
      return 0
    }
    default:
      return runLocally(clientSocket(), [name, ...rest], process)
  }
}

async function giveBackAtRest(): Promise<void> {
  const rest = await import('./rest.ts')
  rest.giveBackAtRest()
}

/** Aborts when the daemon is asked to end, or when the supervisor that started it is gone. */
async function untilEnded(): Promise<AbortSignal> {
  const { whenSupervisorGoes } = await import('./up.ts')
  const ended = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => ended.abort())
  whenSupervisorGoes(() => ended.abort())
  return ended.signal
}

main(process.argv.slice(2)).then(
  code => process.exit(code),
  (error: unknown) => {
    if (!(error instanceof UserError)) throw error
    process.stderr.write(` !     ${messageOf(error)}\n${error.hint ? ` !     ${error.hint}\n` : ''}`)
    process.exit(error.exit)
  },
)
