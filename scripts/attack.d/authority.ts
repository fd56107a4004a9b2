import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Certificate } from '../../src/types.ts'

/** A certificate for these names, and the file of the authority that vouches for it. Both lie in `dir`. */
export async function certified(
  hostnames: readonly string[],
  { dir, name }: { dir: string; name: string },
): Promise<{ certificate: Certificate; authority: string }> {
  const at = (file: string) => join(dir, file)
  const openssl = (...words: string[]) => promisify(execFile)('openssl', words)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-sha256']
  await openssl(
    ...['req', '-x509', ...key, '-config', '/dev/null', '-subj', '/CN=Authority of an attack', '-days', '90'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'],
    ...['-keyout', at('authority.key'), '-out', at('authority.pem')],
  )
  await openssl(
    ...['req', '-new', ...key, '-config', '/dev/null', '-subj', `/CN=${hostnames[0]}`],
    ...['-keyout', at('leaf.key'), '-out', at('leaf.csr')],
  )
  await writeFile(at('leaf.ext'), extensions(hostnames))
  await openssl(
    ...['x509', '-req', '-in', at('leaf.csr'), '-days', '80', '-sha256', '-extfile', at('leaf.ext')],
    ...[
      '-CA',
      at('authority.pem'),
      '-CAkey',
      at('authority.key'),
      '-set_serial',
      '0x5eed0000000000000000000000000001',
    ],
    ...['-out', at('leaf.pem')],
  )
  const [chain, secret] = await Promise.all([
    readFile(at('leaf.pem'), 'utf8'),
    readFile(at('leaf.key'), 'utf8'),
  ])
  return { certificate: { name, hostnames, chain, key: secret }, authority: at('authority.pem') }
}

const extensions = (hostnames: readonly string[]) =>
  [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth',
    `subjectAltName=${hostnames.map(each => `DNS:${each}`).join(',')}`,
    '',
  ].join('\n')
