import { createSecureContext, type SecureContext } from 'node:tls'

import type { Certificate } from '../types.ts'
import { policy } from './policy.ts'

/** Certificates by hostname, in memory. A change counts from the next handshake on; connections that stand keep theirs. */
export interface Certificates {
  all(): readonly Certificate[]
  /** All of them anew. */
  sync(certificates: readonly Certificate[]): void
  /** By its name, in place of the one before. */
  put(certificate: Certificate): void
  forget(name: string): void
  /** The hostname's own, else its wildcard's, which stands for one label (RFC 6125 6.4.3). */
  has(hostname: string): boolean
  /** Ready for a handshake; made when the first client asks. */
  contextFor(hostname: string): SecureContext | undefined
}

interface Held {
  readonly certificate: Certificate
  context: SecureContext | undefined
}

export function openCertificates(certificates: readonly Certificate[] = []): Certificates {
  const byName = new Map<string, Held>()
  const byHostname = new Map<string, Held>()

  const forget = (name: string) => {
    const held = byName.get(name)
    if (!held) return
    byName.delete(name)
    for (const hostname of held.certificate.hostnames) {
      if (byHostname.get(hostname) === held) byHostname.delete(hostname)
    }
  }
  const put = (certificate: Certificate) => {
    forget(certificate.name)
    const held: Held = { certificate, context: undefined }
    byName.set(certificate.name, held)
    for (const hostname of certificate.hostnames) byHostname.set(hostname, held)
  }
  const sync = (all: readonly Certificate[]) => {
    byName.clear()
    byHostname.clear()
    for (const each of all) put(each)
  }
  const find = (hostname: string) =>
    byHostname.get(hostname) ?? byHostname.get(`*${hostname.slice(hostname.indexOf('.'))}`)

  sync(certificates)
  return {
    all: () => [...byName.values()].map(held => held.certificate),
    sync,
    put,
    forget,
    has: hostname => find(hostname) !== undefined,
    contextFor(hostname) {
      const held = find(hostname)
      if (held) held.context ??= contextOf(held.certificate)
      return held?.context
    },
  }
}

/** Throws when key and chain cannot be used together. */
export function contextOf({ chain, key }: Pick<Certificate, 'chain' | 'key'>): SecureContext {
  return createSecureContext({ ...policy, cert: chain, key })
}

/** Says what is wrong with a certificate before any worker gets it. */
export function refuseBroken(certificate: Certificate): void {
  try {
    contextOf(certificate)
  } catch (cause) {
    throw new Error(`the certificate ${certificate.name} cannot be used: ${(cause as Error).message}`, {
      cause,
    })
  }
}
