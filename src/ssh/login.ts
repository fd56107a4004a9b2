import type { AuthContext, Connection, PublicKeyAuthContext } from 'ssh2'

import { UserError } from '../errors.ts'
import type { FrontDoor } from './front.ts'
import { fingerprintOf, isSignedBy, openBlob } from './identity.ts'

export interface Login {
  readonly findIdentity: FrontDoor['findIdentity']
  /** Refused attempts until the client is ended. */
  readonly tries: number
  /** Called once, with the fingerprint of the key whose signature verified. */
  readonly verified: (fingerprint: string) => void
  readonly tooMany: () => void
}

/** Public keys only (RFC 4252 7). Offering a key proves nothing: who it is counts from a verified signature on. */
export function login(client: Connection, { findIdentity, tries, verified, tooMany }: Login): void {
  let left = tries
  let asked = 0
  client.on('authentication', context => {
    if (++asked > tries * 4) return tooMany()
    const answer = judge(context, findIdentity)
    if (answer === 'signed') verified(fingerprintOf((context as PublicKeyAuthContext).key.data))
    if (answer !== 'refused') return context.accept()
    const isOpening = context.method === 'none' && asked === 1
    if (!isOpening && --left < 1) return tooMany()
    context.reject(['publickey'])
  })
}

function judge(
  context: AuthContext,
  findIdentity: FrontDoor['findIdentity'],
): 'signed' | 'known' | 'refused' {
  if (context.method !== 'publickey' || !isUsable(context)) return 'refused'
  const { key, signature, blob, hashAlgo } = context
  if (!findIdentity(fingerprintOf(key.data))) return 'refused'
  if (!signature || !blob) return 'known'
  return isSignedBy(key.data, { hash: hashAlgo, data: blob, signature }) ? 'signed' : 'refused'
}

function isUsable({ key, hashAlgo }: PublicKeyAuthContext): boolean {
  try {
    const { type } = openBlob(key.data)
    return type === key.algo && (type !== 'ssh-rsa' || hashAlgo !== undefined)
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}
