import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Test } from 'tap'

export interface Made {
  /** One certificate in PEM form. */
  readonly certificate: string
  readonly key: string
}

export interface Wish {
  readonly name: string
  readonly hostnames?: readonly string[]
  /** As openssl knows it: `ec`, or RSA with so many bits. */
  readonly rsa?: number
  readonly from?: string
  readonly to?: string
}

/** A root, an intermediate authority, and whatever they sign: made by openssl, as a real one would. */
export async function authority(t: Test) {
  const dir = await mkdtemp(join(tmpdir(), 'davit-authority-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const at = (name: string) => join(dir, name)
  const openssl = (...words: string[]) => promisify(execFile)('openssl', words, { cwd: dir })
  let made = 0

  async function sign(
    { name, hostnames = [], rsa, from, to }: Wish,
    { by, extensions }: { by?: string; extensions: string },
  ): Promise<Made & { readonly id: string }> {
    const id = `c${++made}`
    const kind = rsa
      ? ['RSA', '-pkeyopt', `rsa_keygen_bits:${rsa}`]
      : ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    await openssl('genpkey', '-algorithm', ...kind, '-out', `${id}.key`)
    await openssl(
      'req',
      '-new',
      '-key',
      `${id}.key`,
      '-subj',
      `/CN=${name}`,
      '-config',
      '/dev/null',
      '-out',
      `${id}.csr`,
    )
    const alternatives = hostnames.length > 0 ? `subjectAltName=DNS:${hostnames.join(',DNS:')}\n` : ''
    await writeFile(at(`${id}.ext`), `${extensions}\n${alternatives}`)
    await writeFile(at(`${id}.index`), '')
    await writeFile(
      at(`${id}.cnf`),
      [
        '[ca]',
        'default_ca = own',
        '[own]',
        `database = ${at(`${id}.index`)}`,
        `new_certs_dir = ${dir}`,
        'default_md = sha256',
        'policy = any',
        'unique_subject = no',
        'rand_serial = yes',
        '[any]',
        'commonName = supplied',
        '',
      ].join('\n'),
    )
    const issuer =
      by === undefined
        ? ['-selfsign', '-keyfile', `${id}.key`]
        : ['-cert', `${by}.crt`, '-keyfile', `${by}.key`]
    const times = ['-startdate', from ?? '20200101000000Z', '-enddate', to ?? '20991231000000Z']
    await openssl(
      ...['ca', '-batch', '-notext', '-config', `${id}.cnf`, '-in', `${id}.csr`, '-out', `${id}.crt`],
      ...['-extfile', `${id}.ext`, ...issuer, ...times],
    )
    const read = (ending: string) => readFile(at(`${id}.${ending}`), 'utf8')
    return { id, certificate: await read('crt'), key: await read('key') }
  }

  const ca = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign'
  const root = await sign({ name: 'A Root of our own' }, { extensions: ca })
  const middle = await sign({ name: 'An Authority in between' }, { by: root.id, extensions: ca })
  const leaf = { by: middle.id, extensions: 'basicConstraints=CA:FALSE' }
  return {
    dir,
    root,
    middle,
    issue: (wish: Wish): Promise<Made> => sign(wish, leaf),
    locked: async ({ key }: Made, ...how: string[]) => {
      await writeFile(at('plain.key'), key)
      await openssl(
        'pkey',
        '-in',
        'plain.key',
        '-out',
        'locked.key',
        '-aes256',
        '-passout',
        'pass:secret',
        ...how,
      )
      return readFile(at('locked.key'), 'utf8')
    },
  }
}
