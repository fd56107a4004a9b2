import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { run, type Sandbox } from '../../test/e2e/sandbox.ts'
import { succeeded } from './answers.ts'

export interface Large {
  /** Makes another commit, without a parent. Its objects are packed, as in any clone, so that a push need not compress them. */
  next(): Promise<void>
  /** Pushes it to `davit` or to `plain`, a bare repository behind OpenSSH. */
  push(remote: 'davit' | 'plain'): Promise<void>
}

const bytes = 150_000_000

export async function makeLarge(box: Sandbox): Promise<Large> {
  const { git, dir } = await box.checkout('dockerfile-base', 'large')
  const bare = join(box.dir, 'large.git')
  let branch = 'none'
  await mkdir(bare)
  await succeeded(run('git', ['init', '-q', '--bare', bare]))
  // Else it would unpack and compress each object once more.
  await succeeded(run('git', ['-C', bare, 'config', 'receive.unpackLimit', '1']))
  await succeeded(git('remote', 'set-url', 'davit', 'davit:shop'))
  await succeeded(git('remote', 'add', 'plain', `plain:${bare}`))
  return {
    async next() {
      branch = `large-${randomBytes(4).toString('hex')}`
      await succeeded(git('checkout', '-q', '--orphan', branch))
      await writeFile(join(dir, 'bytes'), randomBytes(bytes))
      await succeeded(git('add', 'bytes'))
      await succeeded(git('commit', '-qm', branch))
      await succeeded(git('repack', '-dq'))
      await rm(join(dir, 'bytes'))
    },
    push: remote => succeeded(git('push', '-q', remote, `HEAD:refs/heads/${branch}`)),
  }
}
