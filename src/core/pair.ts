import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

import { messageOf, UserError } from '../errors.ts'
import type { CertificateFacts } from '../plugin/core.ts'
import { signs, type Verify } from './verify.ts'

/** A private key and the chain of certificates for it, checked. */
export interface Pair {
  /** The key's own certificate first, then each one's issuer. */
  readonly chain: string
  readonly key: string
  readonly facts: CertificateFacts
  /** What a person ought to know, and may have meant all the same. */
  readonly warnings: readonly string[]
}

/** UserErrors `bad-certificate`, `bad-key`, `key-encrypted`, `key-weak`, `key-differs` say what is wrong and how to put it right. */
export function readPair(
  { chain, key }: { chain: string; key: string },
  { now, verify }: { now: Date; verify: Verify },
): Pair {
  const certificates = certificatesIn(chain)
  const privateKey = keyIn(key)
  const own = certificates.find(each => each.checkPrivateKey(privateKey))
  if (!own) {
    throw new UserError(
      'key-differs',
      'The key does not belong to the certificate.',
      'Compare them: openssl x509 -pubkey -noout -in server.crt; openssl pkey -pubout -in server.key',
    )
  }
  const ordered = chainOf(own, certificates)
  const pair = { chain: ordered.map(each => each.toString()).join(''), key: plainPem(privateKey) }
  refuseUnusable(pair)
  const facts = factsOf(ordered, verify)
  return { ...pair, facts, warnings: warningsOf(facts, { certificates, ordered, now }) }
}

/** Of a pair that was read before. */
export function factsOfChain(chain: string, verify: Verify): CertificateFacts {
  return factsOf(certificatesIn(chain), verify)
}

function certificatesIn(text: string): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [A-Z0-9 ]+-----/g)
  if (!blocks) {
    throw new UserError(
      'bad-certificate',
      'There is no certificate in PEM form in what was sent as one.',
      'A certificate in another form becomes one with: openssl x509 -inform der -in server.crt',
    )
  }
  if (blocks.length > longestChain) throw new UserError('bad-certificate', 'That is too long to be a chain.')
  return blocks.map(block => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new UserError(
        'bad-certificate',
        `The certificate cannot be read: ${messageOf(cause)}.`,
        undefined,
        {
          cause,
        },
      )
    }
  })
}

const longestChain = 20

function keyIn(text: string): KeyObject {
  const block = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.+?-----END [A-Z0-9 ]*PRIVATE KEY-----/s.exec(text)
  if (!block) throw new UserError('bad-key', 'There is no private key in PEM form in what was sent as one.')
  if (block[1] === 'ENCRYPTED ' || block[0].includes('ENCRYPTED')) {
    throw new UserError(
      'key-encrypted',
      'The key is locked with a passphrase, and nobody is there to type it when it is needed.',
      'Unlock it first: openssl pkey -in server.key -out plain.key',
    )
  }
  let key: KeyObject
  try {
    key = createPrivateKey(block[0])
  } catch (cause) {
    throw new UserError('bad-key', `The key cannot be read: ${messageOf(cause)}.`, undefined, { cause })
  }
  const { modulusLength } = key.asymmetricKeyDetails ?? {}
  if (modulusLength !== undefined && modulusLength < 2048) {
    throw new UserError(
      'key-weak',
      `The RSA key has ${modulusLength} bits; under 2048 it protects nobody, and browsers refuse it.`,
      'Have the certificate made anew for a key from: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256',
    )
  }
  return key
}

function plainPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** From the key's own certificate upwards, each by the one that signed it. */
function chainOf(own: X509Certificate, all: readonly X509Certificate[]): readonly X509Certificate[] {
  const chain = [own]
  for (;;) {
    const last = chain.at(-1)!
    const next = all.find(each => !chain.includes(each) && signs(each, last))
    if (!next) return chain
    chain.push(next)
  }
}

/** What OpenSSL itself would object to at the first handshake. */
function refuseUnusable({ chain, key }: { chain: string; key: string }): void {
  try {
    createSecureContext({ cert: chain, key })
  } catch (cause) {
    throw new UserError(
      'bad-certificate',
      `The certificate cannot be used: ${messageOf(cause)}.`,
      undefined,
      {
        cause,
      },
    )
  }
}

function factsOf(chain: readonly X509Certificate[], verify: Verify): CertificateFacts {
  const own = chain[0]!
  const names = (own.subjectAltName ?? '').split(', ').filter(each => each.startsWith('DNS:'))
  return {
    subject: oneLine(own.subject),
    issuer: oneLine(own.issuer),
    startsAt: own.validFromDate,
    expiresAt: own.validToDate,
    hostnames: names.map(each => each.slice(4).toLowerCase()),
    verified: verify(chain),
  }
}

/** Node gives a name's parts a line each. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

function warningsOf(
  { expiresAt, startsAt, hostnames, verified }: CertificateFacts,
  {
    certificates,
    ordered,
    now,
  }: { certificates: readonly X509Certificate[]; ordered: readonly X509Certificate[]; now: Date },
): readonly string[] {
  const unused = certificates.length - ordered.length
  const moved = ordered.some((each, at) => each !== certificates[at])
  return [
    expiresAt < now && `The certificate has expired on ${day(expiresAt)}: browsers refuse it.`,
    startsAt > now && `The certificate is not valid before ${day(startsAt)}: until then browsers refuse it.`,
    hostnames.length === 0 && 'The certificate names no hostname (subjectAltName): browsers refuse it.',
    unused > 0 &&
      `${unused === 1 ? 'A certificate was' : `${unused} certificates were`} sent that nothing in the chain needs; left out.`,
    unused === 0 &&
      moved &&
      'The chain was not in order, from the own certificate to its issuers; it is now.',
    verified === 'not verified' &&
      `${oneLine(ordered.at(-1)!.issuer)}, who issued the last certificate of the chain, is not known here. If one is missing in between, many clients will not accept it.`,
  ].filter(each => each !== false)
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

/** A wildcard stands for one label (RFC 6125 6.4.3); a wildcard domain needs that very wildcard. */
export function covers(certified: readonly string[], hostname: string): boolean {
  if (certified.includes(hostname)) return true
  const dot = hostname.indexOf('.')
  return dot > 0 && hostname[0] !== '*' && certified.includes(`*${hostname.slice(dot)}`)
}
