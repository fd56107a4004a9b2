import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import t, { type Test } from 'tap'

import { ensureHostKey } from '../../src/ssh/hostkey.ts'

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'davit-host-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return join(folder, 'ssh')
}

t.test('the host key is made once, as OpenSSH would, for its owner alone', async t => {
  const folder = folderOf(t)
  const made = await ensureHostKey(folder)
  const path = join(folder, 'ssh_host_ed25519_key')
  t.equal(await ensureHostKey(folder), made)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(readdirSync(folder), ['ssh_host_ed25519_key'])
  t.match(execFileSync('ssh-keygen', ['-yf', path], { encoding: 'utf8' }), /^ssh-ed25519 AAAA/)
})

t.test('two that start at once agree on one key', async t => {
  const folder = folderOf(t)
  const made = await Promise.all([ensureHostKey(folder), ensureHostKey(folder)])
  t.equal(made[0], made[1])
})

t.test('a host key that others can read is refused', async t => {
  const folder = folderOf(t)
  await ensureHostKey(folder)
  chmodSync(join(folder, 'ssh_host_ed25519_key'), 0o640)
  await t.rejects(ensureHostKey(folder), { code: 'host-key-loose', hint: /chmod 600/ })
})
