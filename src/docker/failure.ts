import { isDiskFull, messageOf, UserError } from '../errors.ts'
import { dropped, EngineError } from './api.ts'
import { BuildError } from './build.ts'

/** A command of a build that met a full disk tells so in its output, and ends like any other. */
export function lacksRoom(error: unknown): boolean {
  return (
    isDiskFull(error) ||
    (error instanceof BuildError && error.output.some(line => isDiskFull(new Error(line))))
  )
}

/** EngineError for what the engine said, UserError `engine-away` where it said nothing. */
export function plainError(error: unknown, socketPath: string): unknown {
  const { statusCode, code = '' } = error as { statusCode?: number; code?: string }
  if (statusCode) {
    return new EngineError(
      statusCode,
      messageOf(error)
        .replace(/^\(HTTP code \d+\) unexpected - /, '')
        .trim(),
    )
  }
  if (code === 'EACCES')
    return engineAway(socketPath, 'Put the user Davit runs as into the docker group.', error)
  if (dropped(error) || ['ENOENT', 'ECONNREFUSED', 'ETIMEDOUT'].includes(code)) {
    return engineAway(socketPath, 'See whether Docker runs with: systemctl status docker', error)
  }
  return error
}

function engineAway(socketPath: string, hint: string, cause: unknown): UserError {
  return new UserError('engine-away', `The container engine does not answer at ${socketPath}.`, hint, {
    cause,
  })
}
