import { randomBytes } from 'node:crypto'

import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { selfSigned } from '../self-signed.ts'
import type { Secrets } from './orders.ts'
import { policy } from './policy.ts'

export interface SecretsKeeper {
  now(): Secrets
  stop(): void
}

/** Made anew at every start and told to the workers alone. `renewed` hears of each new key for session tickets. */
export async function keepSecrets(
  renewed: (ticketKeys: string) => void,
  log: Logger,
): Promise<SecretsKeeper> {
  const fallback = await selfSigned(['no-certificate.invalid'], { days: 3650 }).catch((error: unknown) => {
    log.warn(`names without a certificate are refused: ${messageOf(error)}`)
    return undefined
  })
  let ticketKeys = newKeys()
  const timer = setInterval(() => {
    ticketKeys = newKeys()
    renewed(ticketKeys)
  }, policy.sessionTimeout * 1000).unref()
  return { now: () => ({ fallback, ticketKeys }), stop: () => clearInterval(timer) }
}

function newKeys(): string {
  return randomBytes(48).toString('base64')
}
