import { join } from 'node:path'

import { certificateOf, optionsOf } from '../edge/shape.ts'
import { listOf, textOf } from '../edge/values.ts'
import { type EdgeOptions, usualOptions } from '../edge/wire.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { openSeal, type Seal } from '../seal.ts'
import type { Certificate } from '../types.ts'
import { openTableFile, type TableFile } from './tablefile.ts'
import { readWhole, replaceWhole } from './wholefile.ts'

/** What was told last, on the disk, so that the proxy starts alone. */
export interface Snapshot {
  readonly table: TableFile
  loadCertificates(): Promise<readonly Certificate[]>
  saveCertificates(certificates: readonly Certificate[]): Promise<void>
  loadOptions(): Promise<EdgeOptions>
  saveOptions(options: EdgeOptions): Promise<void>
}

/**
 * Certificates and hashes of passwords are sealed, with a key of the proxy's own. Without one they are not kept: the daemon tells them at
 * every connection, and until then nobody is let in by a password.
 */
export function openSnapshot(dir: string, log: Logger): Snapshot {
  const seal = sealIn(dir, log)
  const options = join(dir, 'options.json')
  const certificates = join(dir, 'certificates.json')
  const load = async <T>(path: string, read: (file: Readonly<Record<string, unknown>>) => T) => {
    const content = await readWhole(path, read, log)
    return content === 'broken' ? undefined : content
  }
  return {
    table: openTableFile(dir, seal, log),
    loadOptions: async () => (await load(options, file => optionsOf(file.options))) ?? usualOptions,
    saveOptions: now => replaceWhole(options, { facts: { options: now } }),
    loadCertificates: async () =>
      (seal && (await load(certificates, file => listOf(file.sealed, 'sealed').map(opened(seal))))) ?? [],
    saveCertificates: async all => {
      if (seal) await replaceWhole(certificates, { list: ['sealed', sealedEach(all, seal)] })
    },
  }
}

const place = ['proxy', 'certificate']

function* sealedEach(certificates: Iterable<Certificate>, seal: Seal): Generator<string> {
  for (const each of certificates) yield seal.seal(JSON.stringify(each), place).toString('base64')
}

function opened(seal: Seal) {
  return (text: unknown) =>
    certificateOf(JSON.parse(seal.open(Buffer.from(textOf(text, 'sealed', 1e6), 'base64'), place)))
}

function sealIn(dir: string, log: Logger): Seal | undefined {
  try {
    return openSeal(join(dir, 'seal.key'), { make: true })
  } catch (error) {
    log.error(`certificates are not kept on the disk: ${messageOf(error)}`)
    return undefined
  }
}
