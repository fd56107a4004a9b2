import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import t, { type Test } from 'tap'

import { plainEnv } from '../../src/settings.ts'
import type { Session } from '../../src/types.ts'
import { type Door, ended, openDoor } from './door.ts'

const data = randomBytes(5 * 1024 * 1024)
const missing = (program: string) => (spawnSync(program, ['-V']).error ? `${program} is not here` : false)

t.test('dbclient signs in with each kind of key, P-521 too', { skip: missing('dbclient') }, async t => {
  const door = await openDoor(t, echo)
  for (const [kind, bits] of [['ed25519'], ['ecdsa', 256], ['ecdsa', 521], ['rsa', 2048]] as const) {
    const key = join(door.folder, `dropbear-${kind}-${bits ?? ''}`)
    execFileSync('dropbearconvert', ['openssh', 'dropbear', pem(door.key(kind, bits ? { bits } : {})), key])
    await sees(t, door, 'dbclient', [
      '-y',
      '-y',
      '-T',
      '-i',
      key,
      '-p',
      `${door.server.port}`,
      'x@127.0.0.1',
      'echo',
    ])
  }
})

t.test('plink signs in with each kind of key', { skip: missing('plink') }, async t => {
  const door = await openDoor(t, echo)
  const host = execFileSync('ssh-keygen', ['-lf', join(door.folder, 'ssh_host_ed25519_key')], {
    encoding: 'utf8',
  })
  for (const [kind, bits] of [['ed25519'], ['ecdsa', 521], ['rsa', 2048]] as const) {
    const key = door.key(kind, bits ? { bits } : {})
    execFileSync('puttygen', [key, '-O', 'private', '-o', `${key}.ppk`])
    const trust = ['-batch', '-hostkey', host.split(' ')[1]!]
    await sees(t, door, 'plink', [
      ...trust,
      '-T',
      '-i',
      `${key}.ppk`,
      '-P',
      `${door.server.port}`,
      'x@127.0.0.1',
      'echo',
    ])
  }
})

// A Python of one's own does not see what Debian's has.
const python = ['python3', '/usr/bin/python3'].find(
  each => spawnSync(each, ['-c', 'import asyncssh']).status === 0,
)

t.test('asyncssh signs in with RSA', { skip: python ? false : 'asyncssh is not here' }, async t => {
  const door = await openDoor(t, echo)
  const script = `
import asyncio, sys, asyncssh
async def main():
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='x', known_hosts=None, client_keys=[sys.argv[2]]) as c:
        r = await c.run('echo', input=sys.stdin.buffer.read(), encoding=None)
        sys.stdout.buffer.write(r.stdout)
        sys.exit(r.exit_status)
asyncio.run(main())`
  await sees(t, door, python!, ['-c', script, `${door.server.port}`, door.key('rsa')])
})

async function sees(t: Test, { folder }: Door, program: string, argv: readonly string[]): Promise<void> {
  const child = spawn(program, argv, { env: { ...plainEnv(), HOME: folder } })
  const { code, stdout, stderr } = await ended(child, data)
  t.equal(code, 0, stderr)
  t.equal(sha256(stdout), sha256(data))
}

// Dropbear's converter reads the older form of a private key only.
function pem(path: string): string {
  execFileSync('ssh-keygen', ['-q', '-p', '-m', 'PEM', '-N', '', '-f', path], { stdio: 'ignore' })
  return path
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function echo({ stdin, stdout }: Session): Promise<number> {
  await pipeline(stdin, stdout)
  return 0
}
