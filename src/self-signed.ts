import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import type { Certificate } from './types.ts'

/**
 * A key and a certificate that vouches for itself, for these names. Neither is on a disk at any time.
 * Throws when openssl is not there.
 */
export async function selfSigned(
  hostnames: readonly string[],
  { days }: { days: number },
): Promise<Pick<Certificate, 'chain' | 'key'>> {
  const words = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha256', '-nodes'],
    ...['-days', String(days), '-keyout', '-', '-out', '-', '-config', '/dev/null'],
    ...['-subj', `/CN=${hostnames[0]!.slice(0, 64)}`],
    ...['-addext', `subjectAltName=${hostnames.map(each => `DNS:${each}`).join(',')}`],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=critical,digitalSignature'],
    ...['-addext', 'extendedKeyUsage=serverAuth'],
  ]
  const { stdout } = await promisify(execFile)('openssl', words)
  return { key: part(stdout, 'PRIVATE KEY'), chain: part(stdout, 'CERTIFICATE') }
}

function part(pem: string, kind: string): string {
  const [found] = new RegExp(`-----BEGIN ${kind}-----[^-]+-----END ${kind}-----\n`).exec(pem) ?? []
  if (found === undefined) throw new Error(`openssl made no ${kind.toLowerCase()}`)
  return found
}
