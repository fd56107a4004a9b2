import { X509Certificate } from 'node:crypto'
import { getCACertificates } from 'node:tls'

import type { CertificateFacts } from '../plugin/core.ts'

/** Who vouches for a chain that is in order. */
export type Verify = (chain: readonly X509Certificate[]) => CertificateFacts['verified']

/** By the authorities that Node comes with, which are Mozilla's. Reading them all takes a while, so what was found is kept. */
export function createVerify(): Verify {
  const known = new Map<string, boolean>()
  return chain => {
    const last = chain.at(-1)!
    // Most that vouch for themselves may not sign for others, so that "issued" would say no.
    if (chain.length === 1 && last.subject === last.issuer && last.verify(last.publicKey))
      return 'self signed'
    const key = last.fingerprint256
    if (!known.has(key)) known.set(key, isKnown(last))
    return known.get(key) ? 'verified by a certificate authority' : 'not verified'
  }
}

function isKnown(last: X509Certificate): boolean {
  return getCACertificates('bundled').some(pem => {
    const root = new X509Certificate(pem)
    return root.fingerprint256 === last.fingerprint256 || signs(root, last)
  })
}

export function signs(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}
